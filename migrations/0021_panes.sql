-- Windows that reach back over several panes: each row is a pane, and these are the window that was judged when it closed. Null
-- for windows of one pane.
alter table model_window
    add column judged_from  timestamptz, -- where the window begins; it ends with the pane
    add column judged_rows  bigint,      -- records of all its panes
    add column judged_panes bigint[];    -- ids of the panes before
