INSERT INTO node (id, pid, host, started, flows, duty) VALUES (:id, :pid, :host, :started, :flows, :duty)
ON CONFLICT DO NOTHING
