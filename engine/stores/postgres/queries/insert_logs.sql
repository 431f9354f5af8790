INSERT INTO headrace.log (run, at, level, logger, message, task, attempt, span, batch, line)
SELECT line.run, line.at, line.level, line.logger, line.message, line.task, line.attempt, line.span, $9, line.position
FROM unnest(
    $1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::integer[], $8::bigint[]
) WITH ORDINALITY AS line (run, at, level, logger, message, task, attempt, span, position)
ORDER BY line.position
