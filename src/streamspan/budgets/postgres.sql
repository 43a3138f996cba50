-- What a ledger in PostgreSQL is: three tables, and functions that each change them in one statement. Who changes an account holds
-- its lock until the transaction ends; locks are taken in one order, so that no two wait for each other.

CREATE TABLE streamspan.version (version int NOT NULL);

CREATE TABLE streamspan.spend (
  key text NOT NULL, period text NOT NULL, bucket bigint NOT NULL,
  spent numeric NOT NULL, reserved numeric NOT NULL, calls bigint NOT NULL,
  PRIMARY KEY (key, period, bucket)
);
CREATE TABLE streamspan.budget (key text NOT NULL, period text NOT NULL, "limit" numeric NOT NULL, PRIMARY KEY (key, period));
CREATE TABLE streamspan.lease (id text PRIMARY KEY, amount numeric NOT NULL, expires timestamptz NOT NULL, accounts jsonb NOT NULL);
CREATE TABLE streamspan.settled (id text PRIMARY KEY);
CREATE INDEX ON streamspan.lease (expires);

CREATE FUNCTION streamspan.lock(accounts jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(name) FROM (
    SELECT DISTINCT hashtextextended('streamspan ' || (a ->> 'period') || ' ' || (a ->> 'key'), 0) AS name
    FROM jsonb_array_elements(accounts) AS a ORDER BY name
  ) AS names;
END
$$;

CREATE FUNCTION streamspan.add(accounts jsonb, more_spent numeric, more_reserved numeric, more_calls bigint) RETURNS void LANGUAGE sql AS $$
  INSERT INTO streamspan.spend AS s
  SELECT a ->> 'key', a ->> 'period', (a ->> 'bucket')::bigint, more_spent, greatest(more_reserved, 0), more_calls
  FROM jsonb_array_elements(accounts) AS a
  ON CONFLICT (key, period, bucket) DO UPDATE
  SET spent = s.spent + more_spent, reserved = greatest(s.reserved + more_reserved, 0), calls = s.calls + more_calls
$$;

CREATE FUNCTION streamspan.total(account jsonb) RETURNS TABLE (spent numeric, reserved numeric, calls numeric) LANGUAGE sql STABLE AS $$
  SELECT coalesce(sum(spent), 0), coalesce(sum(reserved), 0), coalesce(sum(calls), 0) FROM streamspan.spend
  WHERE key = account ->> 'key' AND period = account ->> 'period'
    AND bucket BETWEEN (account ->> 'since')::bigint AND (account ->> 'until')::bigint
$$;

CREATE FUNCTION streamspan.shortfall(accounts jsonb, amount numeric)
RETURNS TABLE (index bigint, spent numeric, reserved numeric) LANGUAGE sql VOLATILE AS $$
  SELECT a.index - 1, t.spent, t.reserved
  FROM jsonb_array_elements(accounts) WITH ORDINALITY AS a(account, index), LATERAL streamspan.total(a.account) AS t
  WHERE CASE WHEN amount > 0 THEN t.spent + t.reserved + amount > (a.account ->> 'limit')::numeric
             ELSE t.spent >= (a.account ->> 'limit')::numeric END
  ORDER BY a.index LIMIT 1
$$;

CREATE FUNCTION streamspan.hold(lease_id text, accounts jsonb, amount numeric, ttl float8) RETURNS void LANGUAGE sql AS $$
  SELECT streamspan.add(accounts, 0, amount, 0);
  DELETE FROM streamspan.spend AS s USING jsonb_array_elements(accounts) AS a
  WHERE a ->> 'bucket' <> a ->> 'since' AND s.key = a ->> 'key' AND s.period = a ->> 'period' AND s.bucket < (a ->> 'oldest')::bigint;
  INSERT INTO streamspan.lease AS l VALUES (lease_id, amount, clock_timestamp() + ttl * interval '1 second', accounts)
  ON CONFLICT (id) DO UPDATE SET amount = l.amount + excluded.amount, expires = excluded.expires
$$;

CREATE FUNCTION streamspan.settle_locked(settlements jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  one jsonb;
  held numeric;
BEGIN
  FOR one IN SELECT * FROM jsonb_array_elements(settlements) LOOP
    INSERT INTO streamspan.settled VALUES (one ->> 'id') ON CONFLICT DO NOTHING;
    IF FOUND THEN
      DELETE FROM streamspan.lease WHERE id = one ->> 'id' RETURNING amount INTO held;
      PERFORM streamspan.add(one -> 'accounts', (one ->> 'actual')::numeric, -coalesce(held, 0), (one ->> 'calls')::bigint);
    END IF;
  END LOOP;
END
$$;

CREATE FUNCTION streamspan.settle(settlements jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM streamspan.lock(jsonb_path_query_array(settlements, '$[*].accounts[*]'));
  PERFORM streamspan.settle_locked(settlements);
END
$$;

CREATE FUNCTION streamspan.reserve(lease_id text, accounts jsonb, amount numeric, ttl float8, settlements jsonb)
RETURNS TABLE (index bigint, spent numeric, reserved numeric) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM streamspan.lock(accounts || jsonb_path_query_array(settlements, '$[*].accounts[*]'));
  PERFORM streamspan.settle_locked(settlements);
  IF EXISTS (SELECT FROM streamspan.lease WHERE id = lease_id) THEN
    RETURN; -- it is asked again, as no answer came
  END IF;
  RETURN QUERY SELECT * FROM streamspan.shortfall(accounts, amount);
  IF NOT FOUND AND amount > 0 THEN
    PERFORM streamspan.hold(lease_id, accounts, amount, ttl);
  END IF;
END
$$;

CREATE FUNCTION streamspan.extend(lease_id text, accounts jsonb, amount numeric, ttl float8)
RETURNS TABLE (index bigint, spent numeric, reserved numeric) LANGUAGE plpgsql AS $$
DECLARE
  held numeric;
BEGIN
  PERFORM streamspan.lock(accounts);
  IF EXISTS (SELECT FROM streamspan.settled WHERE id = lease_id) THEN
    RETURN QUERY VALUES (-1::bigint, 0::numeric, 0::numeric);
    RETURN;
  END IF;
  UPDATE streamspan.lease AS l SET expires = clock_timestamp() + ttl * interval '1 second' WHERE l.id = lease_id RETURNING l.amount INTO held;
  amount := amount - coalesce(held, 0);
  IF amount > 0 THEN
    RETURN QUERY SELECT * FROM streamspan.shortfall(accounts, amount);
    IF NOT FOUND THEN
      PERFORM streamspan.hold(lease_id, accounts, amount, ttl);
    END IF;
  END IF;
END
$$;

-- Gives back what expired leases held, and returns how many there were.
CREATE FUNCTION streamspan.sweep(before text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  count bigint := 0;
  expired record;
  touched jsonb;
BEGIN
  DELETE FROM streamspan.settled WHERE id < before;
  SELECT jsonb_agg(a) INTO touched FROM streamspan.lease, jsonb_array_elements(accounts) AS a WHERE expires <= clock_timestamp();
  IF touched IS NULL THEN
    RETURN 0;
  END IF;
  PERFORM streamspan.lock(touched);
  -- One that expires only now is of accounts that are not locked; it is for the next time.
  FOR expired IN DELETE FROM streamspan.lease WHERE expires <= now() RETURNING amount, accounts LOOP
    PERFORM streamspan.add(expired.accounts, 0, -expired.amount, 0);
    count := count + 1;
  END LOOP;
  RETURN count;
END
$$;

-- Says what the limits of a process are, and returns those that were declared before.
CREATE FUNCTION streamspan.declare(accounts jsonb) RETURNS TABLE (before numeric) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM streamspan.lock(accounts);
  RETURN QUERY SELECT coalesce(b."limit", (a.account ->> 'limit')::numeric)
  FROM jsonb_array_elements(accounts) WITH ORDINALITY AS a(account, index)
  LEFT JOIN streamspan.budget AS b ON b.key = a.account ->> 'key' AND b.period = a.account ->> 'period' ORDER BY a.index;
  INSERT INTO streamspan.budget SELECT a ->> 'key', a ->> 'period', (a ->> 'limit')::numeric FROM jsonb_array_elements(accounts) AS a
  ON CONFLICT (key, period) DO UPDATE SET "limit" = excluded."limit";
END
$$;

CREATE FUNCTION streamspan.reset(wanted_key text, wanted_periods text[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  count bigint;
BEGIN
  UPDATE streamspan.spend SET spent = 0, calls = 0 WHERE key = wanted_key AND period = ANY (wanted_periods);
  GET DIAGNOSTICS count = ROW_COUNT;
  DELETE FROM streamspan.spend WHERE key = wanted_key AND period = ANY (wanted_periods) AND reserved = 0;
  RETURN count;
END
$$;
