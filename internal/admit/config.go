package admit

import "time"

// Config bounds the one queue that calls wait in, and says how keys share what there is.
type Config struct {
	// MaxQueue is the largest number of calls that wait at once. When it is reached, a call of the lowest class gives way, of the key
	// that has most of them waiting; that may be the call that comes. It is refused with 429.
	MaxQueue int `yaml:"max_calls" example:"50_000"`
	// MaxPerKey is the largest number of calls of one key, and of one class, that wait at once; 0 sets no limit but that of max_calls, where
	// the key that has most calls waiting gives way first.
	MaxPerKey int `yaml:"max_calls_per_key" example:"1_000"`
	// MaxBytes is how much memory the requests that wait may take together; calls give way as with max_calls.
	MaxBytes int64 `yaml:"max_bytes" unit:"bytes" min:"1048576" example:"2GiB"`
	// MaxWait is the longest time that a call waits; then it is refused with 429. A call that would have to wait longer, by what is known when it
	// comes, is refused at once.
	MaxWait time.Duration `yaml:"max_wait"`
	// MaxWaitBulk is the same for calls of the class bulk, if it is longer than max_wait.
	MaxWaitBulk time.Duration `yaml:"max_wait_bulk"`
	// OutputWeight is how much an output token counts in the fairness between keys, against one of input: 1 where a quota counts both alike,
	// more where the time that answers take is what is short, as with servers of one's own.
	OutputWeight float64 `yaml:"output_weight" example:"2"`
}

// Default returns the defaults.
func Default() Config {
	return Config{
		MaxQueue: 10_000, MaxBytes: 512 << 20, MaxWait: time.Minute, MaxWaitBulk: 10 * time.Minute, OutputWeight: 1,
	}
}

// SetDefaults fills in what a file may leave out.
func (c *Config) SetDefaults() { *c = Default() }

// Validate reports each problem with the key that it is at.
func (c *Config) Validate(fail func(key, message string)) {
	if !(c.OutputWeight >= 0.01 && c.OutputWeight <= 1000) {
		fail("output_weight", "must be between 0.01 and 1000")
	}
}

// withDefaults fills in what code left out and a file cannot.
func (c Config) withDefaults() Config {
	d := Default()
	if c.MaxBytes <= 0 {
		c.MaxBytes = d.MaxBytes
	}
	if c.OutputWeight <= 0 {
		c.OutputWeight = d.OutputWeight
	}
	c.MaxWaitBulk = max(c.MaxWaitBulk, c.MaxWait)
	return c
}
