SELECT 1 FROM headrace.pool WHERE name = ANY ($1::text[]) ORDER BY name FOR UPDATE
