WITH freed AS (
    SELECT lane FROM unnest($1::text[]) AS freed (lane)
)
-- include next_turn
