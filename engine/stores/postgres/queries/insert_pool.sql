INSERT INTO headrace.pool (name) SELECT * FROM unnest($1::text[]) ON CONFLICT DO NOTHING
