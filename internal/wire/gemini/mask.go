package gemini

import "strings"

// maskWords replaces the words of text that are long enough to be credentials.
func maskWords(text string) string {
	words := strings.Fields(text)
	for i, w := range words {
		if len(w) >= 16 {
			words[i] = "***"
		}
	}
	return strings.Join(words, " ")
}

// maskProjects replaces the ids of the operator's projects in text, JSON or not: errors of quotas and of access name them
// ("consumer 'project_number:681255809395'"), and they are no business of clients. Where there is none, text is returned as it
// is.
func maskProjects(text string) string {
	var out strings.Builder
	rest := text
	for i := 0; i < len(rest); {
		n, digits := projectPrefix(rest[i:])
		if n == 0 || i > 0 && isAlnum(rest[i-1]) {
			i++
			continue
		}
		end := i + n
		for end < len(rest) && (isAlnum(rest[end]) || rest[end] == '-' || rest[end] == '_') {
			end++
		}
		id := rest[i+n : end]
		if id == "" || digits && strings.Trim(id, "0123456789") != "" {
			i += n // a word, such as "project settings"
			continue
		}
		out.WriteString(rest[:i+n])
		out.WriteString("***")
		rest, i = rest[end:], 0
	}
	if out.Len() == 0 {
		return text
	}
	out.WriteString(rest)
	return out.String()
}

// projectPrefix returns the length of what stands in front of a project's id, 0 if text does not begin with it, and
// whether only a number is an id there.
func projectPrefix(text string) (n int, digits bool) {
	for _, p := range [...]struct {
		prefix string
		digits bool
	}{{"projects/", false}, {"project_number:", false}, {"project_id:", false}, {"project ", true}, {"project #", true}} {
		if strings.HasPrefix(text, p.prefix) {
			return len(p.prefix), p.digits
		}
	}
	return 0, false
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// contains reports whether text has one of the parts, which are in lower case.
func contains(text string, parts ...string) bool {
	text = strings.ToLower(text)
	for _, p := range parts {
		if strings.Contains(text, p) {
			return true
		}
	}
	return false
}

// hasPrefix reports whether text begins with one of the parts, which are in lower case.
func hasPrefix(text string, parts ...string) bool {
	text = strings.ToLower(strings.TrimSpace(text))
	for _, p := range parts {
		if strings.HasPrefix(text, p) {
			return true
		}
	}
	return false
}
