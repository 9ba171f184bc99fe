-- The server's version, also asked to see whether it answers.
-- Input: none. Result: one row, one text. Its mark keeps it out of count_statements.sql.
select /* coordbench looks */ current_setting('server_version')
