SELECT num, cancel FROM run WHERE cancel IS NOT NULL AND ended IS NULL
