package replay

import "time"

// Config says how answers are recorded that clients may come back for.
type Config struct {
	// Always records every streamed answer; otherwise those whose request has X-Sluice-Resumable: true or an Idempotency-Key.
	Always bool `yaml:"always"`
	// Buffer is how much of one answer is kept. Of a longer stream the oldest events go first, and a client that needs them is told so.
	Buffer int64 `yaml:"buffer" unit:"bytes" min:"4096"`
	// MaxBytes is how much all recordings may take together; those that ended first make room for others.
	MaxBytes int64 `yaml:"max_bytes" unit:"bytes" min:"65536"`
	// MaxStreams is how many recordings there may be; those that ended first make room for others.
	MaxStreams int `yaml:"max_streams" min:"1"`
	// Grace is how long the provider goes on answering after the last client of a recorded answer has gone. 0 ends the call at once.
	Grace time.Duration `yaml:"grace"`
	// Keep is how long a recording is kept after its end.
	Keep time.Duration `yaml:"keep"`
}

// KeyConfig says what is kept for requests that carry an Idempotency-Key.
type KeyConfig struct {
	// TTL is how long a finished answer is kept for others with the same key. 0 switches keys off: the header is then ignored.
	TTL time.Duration `yaml:"ttl"`
	// MaxBytes is how much all kept answers may take in the database together; the oldest make room for others.
	MaxBytes int64 `yaml:"max_bytes" unit:"bytes" min:"65536"`
}

// SetDefaults fills in what a file may leave out.
func (c *Config) SetDefaults() {
	*c = Config{Buffer: 4 << 20, MaxBytes: 256 << 20, MaxStreams: 10_000, Grace: 30 * time.Second, Keep: 5 * time.Minute}
}

// SetDefaults fills in what a file may leave out.
func (c *KeyConfig) SetDefaults() { *c = KeyConfig{TTL: 24 * time.Hour, MaxBytes: 1 << 30} }

// Validate reports each problem with the key that it is at.
func (c *Config) Validate(fail func(key, message string)) {
	if c.Buffer > c.MaxBytes {
		fail("buffer", "must not be more than max_bytes, which all recordings share")
	}
}
