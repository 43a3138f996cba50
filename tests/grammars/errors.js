// Reads [[language, query], ...] from its input, and writes for each where the grammar finds an error: [[from, ...], ...].
const parsers = { traceql: require("@grafana/lezer-traceql").parser, logql: require("@grafana/lezer-logql").parser };

function errors([language, query]) {
  const found = [];
  parsers[language].parse(query).iterate({ enter: (node) => void (node.type.isError && found.push(node.from)) });
  return found;
}

console.log(JSON.stringify(JSON.parse(require("fs").readFileSync(0, "utf8")).map(errors)));
