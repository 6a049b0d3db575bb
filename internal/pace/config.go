package pace

import "time"

// Config says when a target, or all of an account, is taken out of use, and when it is tried again.
type Config struct {
	// Failures is the number of failed calls in a row after which a target is taken out of use. Where a check of the account fails
	// too, two are enough.
	Failures int `yaml:"failures" min:"1" max:"1000"`
	// Ratio takes a target out of use as well when so large a share of the calls in window has failed.
	Ratio float64 `yaml:"ratio" unit:"share"`
	// MinCalls is the least number of calls in window for ratio to count.
	MinCalls int `yaml:"min_calls" min:"1" max:"1000000"`
	// Window is the time that ratio looks back over.
	Window time.Duration `yaml:"window"`
	// Cooldown is how long a target is left alone after it was taken out of use. Then one live call tries it; each time that fails, the
	// time doubles. An overloaded provider is left alone for twice as long.
	Cooldown time.Duration `yaml:"cooldown"`
	// MaxCooldown is the longest such time.
	MaxCooldown time.Duration `yaml:"max_cooldown"`
	// Check asks for the list of models of an account in trouble, once a second, which costs nothing: while that fails too, no live call
	// is spent on it, and as soon as it works again the next call tries the target.
	Check bool `yaml:"check"`
}

// SetDefaults fills in what a file may leave out.
func (c *Config) SetDefaults() {
	d := DefaultBreaker()
	*c = Config{
		Failures: d.Failures, Ratio: d.Ratio, MinCalls: d.MinCalls, Window: d.Window, Cooldown: d.Cooldown, MaxCooldown: d.MaxCooldown,
		Check: true,
	}
}

// Validate reports each problem with the key that it is at.
func (c *Config) Validate(fail func(key, message string)) {
	if c.Ratio <= 0 {
		fail("ratio", "must be more than 0; 100% leaves it to failures")
	}
	if c.Window < time.Second {
		fail("window", "must be at least 1s")
	}
	if c.Cooldown < 10*time.Millisecond {
		fail("cooldown", "must be at least 10ms")
	}
	if c.MaxCooldown < c.Cooldown {
		fail("max_cooldown", "must not be less than cooldown")
	}
}

// Breaker returns the rules.
func (c *Config) Breaker() Breaker {
	return Breaker{
		Failures: c.Failures, Ratio: c.Ratio, MinCalls: c.MinCalls, Window: c.Window, Cooldown: c.Cooldown, MaxCooldown: c.MaxCooldown,
		MaxPause: DefaultBreaker().MaxPause, Check: c.Check,
	}
}
