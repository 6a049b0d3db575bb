package gemini

import "strings"

// The API takes each field under two names, as all of Google's do: candidateCount and candidate_count. The code below
// speaks of fields by their camelCase name.

// sameField reports whether name is one of the two spellings of the field.
func sameField(name []byte, field string) bool {
	i := 0
	for _, c := range []byte(field) {
		if c >= 'A' && c <= 'Z' {
			if i < len(name) && name[i] == c {
				i++
				continue
			}
			if i+1 < len(name) && name[i] == '_' && name[i+1] == c|0x20 {
				i += 2
				continue
			}
			return false
		}
		if i >= len(name) || name[i] != c {
			return false
		}
		i++
	}
	return i == len(name)
}

// looksLike reports whether name is the field to a parser that ignores case and underscores.
func looksLike(name []byte, field string) bool {
	i := 0
	for _, c := range name {
		if c == '_' {
			continue
		}
		if i >= len(field) || lower(c) != lower(field[i]) {
			return false
		}
		i++
	}
	return i == len(field)
}

// lower returns an ASCII letter in lower case.
func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// camel returns the camelCase spelling of a name.
func camel(name string) string {
	if strings.IndexByte(name, '_') <= 0 {
		return name
	}
	out := make([]byte, 0, len(name))
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c == '_' && i > 0 && i+1 < len(name) && name[i+1] >= 'a' && name[i+1] <= 'z' {
			i++
			c = name[i] - 'a' + 'A'
		}
		out = append(out, c)
	}
	return string(out)
}

// snake returns the snake_case spelling of a field.
func snake(field string) string {
	var out strings.Builder
	for i := range len(field) {
		if c := field[i]; c >= 'A' && c <= 'Z' {
			out.WriteByte('_')
			out.WriteByte(c | 0x20)
		} else {
			out.WriteByte(c)
		}
	}
	return out.String()
}
