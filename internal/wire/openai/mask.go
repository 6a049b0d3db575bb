package openai

import "strings"

// minID is how many characters the random part of an account's id has at least.
const minID = 6

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

// maskAccounts replaces the ids of the operator's organization, project or account in text, JSON or not: the texts of
// rate limits have them ("in organization org-abc123"), and they are no business of clients. Where there is none, text is
// returned as it is.
func maskAccounts(text string) string {
	var out strings.Builder
	rest := text
	for i := 0; i < len(rest); {
		n := accountPrefix(rest[i:])
		if n == 0 || i > 0 && isAlnum(rest[i-1]) {
			i++
			continue
		}
		end := i + n
		for end < len(rest) && isAlnum(rest[end]) {
			end++
		}
		if id := rest[i+n : end]; len(id) < minID || !strings.ContainsAny(id, "0123456789") {
			i = end // a word, such as org-chart
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

// accountPrefix returns the length of what an account's id begins with, 0 if text does not begin with it.
func accountPrefix(text string) int {
	for _, p := range [...]string{"org", "proj", "acct"} {
		if n := len(p); len(text) > n && (text[n] == '-' || text[n] == '_') && strings.EqualFold(text[:n], p) {
			return n + 1
		}
	}
	return 0
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
