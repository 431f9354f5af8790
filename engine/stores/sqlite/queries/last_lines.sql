SELECT
    line.run, line.seq, line.delivery, line.kind, line.key, line.name, line.args, line.attempt, line.started,
    line.ended, line.span, line.parent, line.outcome,
    CASE WHEN line.kind IN ('wait', 'attempt') THEN line.value ELSE x'' END,
    line.blob, line.epoch
FROM json_each(:runs) AS wanted
CROSS JOIN journal AS line
    ON line.run = wanted.value
    AND line.seq > (SELECT max(newest.seq) FROM journal AS newest WHERE newest.run = wanted.value) - :each
ORDER BY line.run, line.seq
