package llm

// Scope says how much of a provider an error is about: what else fails with it. The vocabulary is closed.
type Scope uint8

// The scopes of trouble.
const (
	ScopeUnknown Scope = iota // the error does not tell
	ScopeModel                // one model of the account
	ScopeAccount              // all models of the account: its credit is spent, it is on hold, or nothing connects
	ScopeKey                  // the account's credential: refused, expired. An account has one, so that it acts on the account
)

// String returns the scope's name, which is a metric label.
func (s Scope) String() string {
	switch s {
	case ScopeModel:
		return "model"
	case ScopeAccount:
		return "account"
	case ScopeKey:
		return "key"
	default:
		return "unknown"
	}
}

// Window is the time that a provider's limit is counted over.
type Window uint8

// The windows of limits.
const (
	NoWindow Window = iota // the error is about no limit, or does not tell its window
	PerMinute
	PerDay // passes at a stated time, or by the next day
)

// String returns the window's name.
func (w Window) String() string {
	switch w {
	case PerMinute:
		return "minute"
	case PerDay:
		return "day"
	default:
		return "unknown"
	}
}
