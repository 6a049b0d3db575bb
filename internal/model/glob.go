package model

import "strings"

// Match reports whether a model name matches a pattern, in which * stands for any run of characters, slashes included
// (names such as accounts/fireworks/models/x have them), and every other character for itself. Case counts.
func Match(pattern, name string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == name
	}
	if !strings.HasPrefix(name, head) {
		return false
	}
	name = name[len(head):]
	for {
		part, more, star := strings.Cut(rest, "*")
		if !star {
			return strings.HasSuffix(name, part)
		}
		at := strings.Index(name, part) // the leftmost place leaves most for what follows
		if at < 0 {
			return false
		}
		name, rest = name[at+len(part):], more
	}
}

// IsPattern reports whether a name in configuration is a pattern and not the name of one model.
func IsPattern(s string) bool { return strings.Contains(s, "*") }
