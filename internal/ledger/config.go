package ledger

import "time"

// Config says how rows are grouped on their way to the database.
type Config struct {
	// Interval is the longest time that a finished row waits for others to be written with; it is also what a crash can
	// lose.
	Interval time.Duration `yaml:"interval" min:"1ms" max:"10s"`
	// Group is the largest number of rows in one write.
	Group int `yaml:"group" min:"1" max:"100000"`
	// Backlog is the largest number of rows that wait for the database. When it is full, calls are refused: no row is
	// ever dropped.
	Backlog int `yaml:"backlog" min:"1" example:"1_000_000"`
}

// SetDefaults fills in what a file may leave out.
func (c *Config) SetDefaults() {
	*c = Config{Interval: 50 * time.Millisecond, Group: 512, Backlog: 100_000}
}

// Validate reports each problem with the key that it is at.
func (c *Config) Validate(fail func(key, message string)) {
	if c.Backlog < c.Group {
		fail("backlog", "must not be less than group")
	}
}
