INSERT INTO headrace.pool (name) SELECT name FROM unnest($1::text[]) AS wanted (name) ON CONFLICT DO NOTHING
