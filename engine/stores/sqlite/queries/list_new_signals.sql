SELECT signal.id, signal.run, signal.name, signal.payload, signal.sent
FROM json_each(:runs) AS wanted
CROSS JOIN signal ON signal.run = wanted.value AND signal.id > :after
ORDER BY signal.id
