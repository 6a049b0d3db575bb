package auth

import "sluice/internal/llm"

// Config names the keys that clients may use.
type Config struct {
	Keys  []KeyConfig
	Tiers map[string]Tier
}

// KeyConfig is one key of the configuration.
type KeyConfig struct {
	Name        string
	Key         llm.Secret
	Tier        string
	Models      []string
	Concurrency int
}

// Tier holds limits that keys share by name.
type Tier struct {
	Concurrency int
	Models      []string
}
