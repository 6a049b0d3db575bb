package admit

import "time"

// Config bounds the one queue that calls wait in.
type Config struct {
	// MaxQueue is the largest number of calls that wait at once; a further one is refused with 429.
	MaxQueue int `yaml:"max_calls" example:"50_000"`
	// MaxWait is the longest time that a call waits; then it is refused with 429.
	MaxWait time.Duration `yaml:"max_wait"`
}

// Default returns the defaults.
func Default() Config { return Config{MaxQueue: 10_000, MaxWait: time.Minute} }

// SetDefaults fills in what a file may leave out.
func (c *Config) SetDefaults() { *c = Default() }
