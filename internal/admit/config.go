package admit

import "time"

// Config limits the waiting.
type Config struct {
	MaxQueue int           `yaml:"max_queue"` // calls that may wait at a time
	MaxWait  time.Duration `yaml:"max_wait"`  // longest wait of a call
}

// Default returns the defaults.
func Default() Config { return Config{MaxQueue: 10_000, MaxWait: 60 * time.Second} }
