-- The sliding minute of a key, as pure functions over its row of api_keys_limiter. Times are whole Unix seconds.
-- The slot of second s is number s % 61 + 1 (arrays count from one); it leaves the window when second s + 61 begins.

-- The row as it stands at `now_second`: slots that have left the window are emptied. A clock that steps back by up to a minute
-- changes nothing; by more, the window starts afresh, or the key would wait until the clock has caught up.
CREATE OR REPLACE FUNCTION limiter_slide(l api_keys_limiter, now_second bigint) RETURNS api_keys_limiter
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  slot int;
BEGIN
  IF abs(now_second - l.second) > 60 THEN
    l.second := now_second;
    l.requests := array_fill(0, ARRAY[61]);
    l.tokens := array_fill(0::bigint, ARRAY[61]);
    l.requests_in_window := 0;
    l.tokens_in_window := 0;
  END IF;
  WHILE l.second < now_second LOOP
    l.second := l.second + 1;
    slot := l.second % 61 + 1;
    l.requests_in_window := l.requests_in_window - l.requests[slot];
    l.tokens_in_window := l.tokens_in_window - l.tokens[slot];
    l.requests[slot] := 0;
    l.tokens[slot] := 0;
  END LOOP;
  RETURN l;
END $$;

-- One request more, with `reserved` tokens, in the newest slot.
CREATE OR REPLACE FUNCTION limiter_admit(l api_keys_limiter, reserved bigint) RETURNS api_keys_limiter
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  slot int := l.second % 61 + 1;
BEGIN
  l.requests[slot] := l.requests[slot] + 1;
  l.tokens[slot] := l.tokens[slot] + reserved;
  l.requests_in_window := l.requests_in_window + 1;
  l.tokens_in_window := l.tokens_in_window + reserved;
  l.open := l.open + 1;
  RETURN l;
END $$;

-- Requests that ended: each corrects the tokens of the second it was admitted in. When that second has left the window, what was used
-- beyond the reserve counts as used now, and what was reserved in vain is void: it has been given back. Slide the row before.
CREATE OR REPLACE FUNCTION limiter_end(l api_keys_limiter, admitted_seconds bigint[], corrections bigint[]) RETURNS api_keys_limiter
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  slot int;
  correction bigint;
BEGIN
  FOR i IN 1 .. cardinality(admitted_seconds) LOOP
    IF admitted_seconds[i] BETWEEN l.second - 60 AND l.second THEN
      slot := admitted_seconds[i] % 61 + 1;
      correction := greatest(corrections[i], -l.tokens[slot]);
    ELSE
      slot := l.second % 61 + 1;
      correction := greatest(corrections[i], 0);
    END IF;
    l.tokens[slot] := l.tokens[slot] + correction;
    l.tokens_in_window := l.tokens_in_window + correction;
  END LOOP;
  l.open := greatest(0, l.open - cardinality(admitted_seconds));
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
