-- The sliding minute of a key, as pure functions over its row of api_keys_limiter. Times are whole Unix seconds.
-- The slot of second s is number s % 61 + 1 (arrays count from one); it leaves the window when second s + 61 begins.

-- Arrays are changed in variables of their own: an element of an array inside of a row costs a copy of the whole row.
DROP FUNCTION IF EXISTS limiter_admit(api_keys_limiter, bigint);
DROP FUNCTION IF EXISTS limiter_end(api_keys_limiter, bigint[], bigint[]);

-- The row as it stands at `now_second`: slots that have left the window are emptied. A clock that steps back by up to a minute
-- changes nothing; by more, the window starts afresh, or the key would wait until the clock has caught up.
CREATE OR REPLACE FUNCTION limiter_slide(l api_keys_limiter, now_second bigint) RETURNS api_keys_limiter
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  slot int;
  requests int[];
  tokens bigint[];
BEGIN
  IF abs(now_second - l.second) > 60 THEN
    l.second := now_second;
    l.requests := array_fill(0, ARRAY[61]);
    l.tokens := array_fill(0::bigint, ARRAY[61]);
    l.requests_in_window := 0;
    l.tokens_in_window := 0;
  END IF;
  IF l.second < now_second THEN
    requests := l.requests;
    tokens := l.tokens;
    FOR second IN l.second + 1 .. now_second LOOP
      slot := second % 61 + 1;
      l.requests_in_window := l.requests_in_window - requests[slot];
      l.tokens_in_window := l.tokens_in_window - tokens[slot];
      requests[slot] := 0;
      tokens[slot] := 0;
    END LOOP;
    l.second := now_second;
    l.requests := requests;
    l.tokens := tokens;
  END IF;
  RETURN l;
END $$;

-- `admitted` requests more, with `reserved` tokens together, in the newest slot.
CREATE OR REPLACE FUNCTION limiter_admit(l api_keys_limiter, admitted int, reserved bigint) RETURNS api_keys_limiter
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  slot int := l.second % 61 + 1;
BEGIN
  l.requests[slot] := l.requests[slot] + admitted;
  l.tokens[slot] := l.tokens[slot] + reserved;
  l.requests_in_window := l.requests_in_window + admitted;
  l.tokens_in_window := l.tokens_in_window + reserved;
  l.open := l.open + admitted;
  RETURN l;
END $$;

-- `ended` requests that ended: each list pairs a second in which some were admitted with the correction of their tokens together.
-- When that second has left the window, what was used beyond the reserve counts as used now, and what was reserved in vain is void:
-- it has been given back. Slide the row before.
CREATE OR REPLACE FUNCTION limiter_end(l api_keys_limiter, admitted_seconds bigint[], corrections bigint[], ended int) RETURNS api_keys_limiter
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  slot int;
  correction bigint;
  tokens bigint[] := l.tokens;
BEGIN
  FOR i IN 1 .. cardinality(admitted_seconds) LOOP
    IF admitted_seconds[i] BETWEEN l.second - 60 AND l.second THEN
      slot := admitted_seconds[i] % 61 + 1;
      correction := greatest(corrections[i], -tokens[slot]);
    ELSE
      slot := l.second % 61 + 1;
      correction := greatest(corrections[i], 0);
    END IF;
    tokens[slot] := tokens[slot] + correction;
    l.tokens_in_window := l.tokens_in_window + correction;
  END LOOP;
  l.tokens := tokens;
  l.open := greatest(0, l.open - ended);
  RETURN l;
END $$;

-- Seconds until at least `excess` of what `slots` count has left the window; 61 when it never will.
CREATE OR REPLACE FUNCTION limiter_seconds_until_free(slots bigint[], newest bigint, excess bigint) RETURNS int
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  freed bigint := 0;
BEGIN
  FOR age IN REVERSE 60 .. 0 LOOP
    freed := freed + slots[(newest - age) % 61 + 1];
    IF freed >= excess THEN
      RETURN 61 - age;
    END IF;
  END LOOP;
  RETURN 61;
END $$;
