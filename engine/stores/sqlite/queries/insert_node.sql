INSERT INTO node (id, pid, host, started, flows) VALUES (:id, :pid, :host, :started, :flows) ON CONFLICT DO NOTHING
