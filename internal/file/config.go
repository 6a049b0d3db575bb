package file

import "time"

// Config says what is kept of uploaded files.
type Config struct {
	// Retention is how long a file is kept at most; clients may ask for less (expires_after). 0 keeps none, and refuses uploads.
	Retention time.Duration `yaml:"retention"`
	// MaxBytes is how much all kept files of all keys may take together, 4 KiB for each file included. Uploads over it are refused:
	// files that are there do not make room for others before they expire.
	MaxBytes int64 `yaml:"max_bytes" unit:"bytes" min:"1048576" example:"20GiB"`
	// MaxFile is the largest file that can be uploaded.
	MaxFile int64 `yaml:"max_file" unit:"bytes" min:"1024"`
}

// SetDefaults fills in what a file may leave out.
func (c *Config) SetDefaults() {
	c.Retention = 30 * 24 * time.Hour // what OpenAI gives files of batches (PROVIDERS.md 1.5, 2026-11)
	c.MaxBytes = 10 << 30
	c.MaxFile = 512 << 20 // OpenAI's own (PROVIDERS.md 1.5, 2026-11)
}

// Validate reports each problem with the key that it is at.
func (c *Config) Validate(fail func(key, message string)) {
	if c.MaxFile > c.MaxBytes-Overhead {
		fail("max_file", "must be less than files.max_bytes, by 4 KiB at least: no such file could be kept")
	}
}
