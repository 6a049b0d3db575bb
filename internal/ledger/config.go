package ledger

import "time"

// Config says how rows are grouped and how many may wait.
type Config struct {
	Interval time.Duration // longest time between two groups while rows wait
	Group    int           // rows that close a group before its interval is over
	Backlog  int           // places for rows: calls under way plus rows not yet written
}
