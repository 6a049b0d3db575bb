package thread

import "time"

// Config says what is kept of the Responses API's answers.
type Config struct {
	// Retention is how long an answer is kept that the client wants stored (store: true, which is the API's default). 0 keeps none.
	Retention time.Duration `yaml:"retention"`
	// MaxBytes is how much all kept answers may take together; the oldest make room for others.
	MaxBytes int64 `yaml:"max_bytes" unit:"bytes" min:"1048576"`
}

// SetDefaults fills in what a file may leave out.
func (c *Config) SetDefaults() {
	c.Retention = 30 * 24 * time.Hour // the API promises at least as much (PROVIDERS.md 1.3, 2026-11)
	c.MaxBytes = 4 << 30
}
