-- Nothing is taken when somebody else has just been faster.
INSERT INTO headrace.rate AS known (name, next)
VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET next = excluded.next WHERE known.next = $3
