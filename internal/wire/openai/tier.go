package openai

// knownTier returns a service tier in OpenAI's words. Groq calls the default on_demand, and the fast one performance; OpenAI takes
// fast for priority (PROVIDERS.md 1.2 and 4.1, 2026-11). For the tiers that there are nothing is allocated.
func knownTier[S string | []byte](s S) string {
	switch string(s) {
	case "":
		return ""
	case "auto":
		return "auto"
	case "default", "on_demand":
		return "default"
	case "flex":
		return "flex"
	case "priority", "fast", "performance":
		return "priority"
	case "scale":
		return "scale"
	}
	return string(s[:min(len(s), maxTier)])
}

// tierOf returns the tier that a JSON string names. Names with escapes are none.
func tierOf(lit []byte) string { return knownTier(lit[1 : len(lit)-1]) }
