package dialect

import (
	"fmt"
	"strings"

	"sluice/internal/llm"
)

// Policy is what becomes of a parameter that the chosen target cannot honour. It is the type of the configuration's key
// parameters, and decodes from text.
type Policy uint8

// The policies.
const (
	Warn   Policy = iota // it is left out, and a header of the answer names it
	Drop                 // it is left out
	Reject               // the call is refused, and the error names it
)

// String returns the policy's name in configuration.
func (p Policy) String() string {
	switch p {
	case Warn:
		return "warn"
	case Drop:
		return "drop"
	case Reject:
		return "reject"
	default:
		return "unknown"
	}
}

// ParsePolicy reads a policy by its name; "" is Warn.
func ParsePolicy(s string) (Policy, error) {
	for _, p := range []Policy{Warn, Drop, Reject} {
		if s == p.String() {
			return p, nil
		}
	}
	if s == "" {
		return Warn, nil
	}
	return Warn, fmt.Errorf("parameters is %q, want warn, drop or reject", s)
}

// MarshalText returns the policy's name.
func (p Policy) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads a policy by its name, as ParsePolicy does.
func (p *Policy) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePolicy(string(text))
	return err
}

// DroppedHeader is the response header that names what Warn left out.
const DroppedHeader = "X-Sluice-Dropped-Params"

// maxDropped bounds how many parameters the header names; clients choose the names of unknown ones.
const maxDropped = 32

// ApplyPolicy says what a policy makes of notes about a model. With Warn, header is the value of DroppedHeader, "" if nothing was left
// out. With Reject, e is the refusal that names the first parameter. Minor notes count for neither.
func ApplyPolicy(p Policy, notes []Note, model string) (header string, e *llm.Error) {
	switch p {
	case Warn:
		return dropped(notes), nil
	case Reject:
		for i := range notes {
			if n := &notes[i]; !n.Minor {
				e := llm.Errorf(llm.KindBadRequest, "%s cannot be used with model %s: %s; this gateway refuses such requests (parameters: reject)", n.Param, model, n.Reason)
				e.Param = n.Param
				return "", e
			}
		}
	}
	return "", nil
}

// dropped returns the names of what was left out, each once, in order, fit for a header.
func dropped(notes []Note) string {
	var names []string
	seen := map[string]bool{}
	for i := range notes {
		n := &notes[i]
		if n.Minor || seen[n.Param] {
			continue
		}
		seen[n.Param] = true
		if len(names) == maxDropped {
			names = append(names, "...")
			break
		}
		names = append(names, headerSafe(n.Param))
	}
	return strings.Join(names, ", ")
}

// headerSafe replaces what may not stand in a header, or would look like the end of a name, and bounds its length. Names of
// unknown members come from the client.
func headerSafe(s string) string {
	const most = 64
	if len(s) > most {
		s = s[:most]
	}
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || r == ',' {
			return '_'
		}
		return r
	}, s)
}
