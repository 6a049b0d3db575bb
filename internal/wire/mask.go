package wire

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

// MaskIDs replaces ids in text, JSON or not. find is given what begins where a word may begin, and says which part of it is an id:
// rest[start:end]. Without ok there is none before end, and the search goes on there; end 0 is as good as 1. A text without ids is
// returned as it is.
func MaskIDs(text string, find func(rest string) (start, end int, ok bool)) string {
	var out strings.Builder
	rest := text
	for i := 0; i < len(rest); {
		if i > 0 && Alnum(rest[i-1]) {
			i++
			continue
		}
		start, end, ok := find(rest[i:])
		if !ok {
			i += max(end, 1)
			continue
		}
		out.WriteString(rest[:i+start])
		out.WriteString("***")
		rest, i = rest[i+end:], 0
	}
	if out.Len() == 0 {
		return text
	}
	out.WriteString(rest)
	return out.String()
}

// Alnum reports whether c is a letter or a digit of ASCII.
func Alnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
