package openai

import (
	"strings"

	"sluice/internal/wire"
)

// minID is how many characters the random part of an account's id has at least.
const minID = 6

// maskAccounts replaces the ids of the operator's organization, project or account in text, JSON or not: the texts of
// rate limits have them ("in organization org-abc123"), and they are no business of clients. Where there is none, text is
// returned as it is.
func maskAccounts(text string) string { return wire.MaskIDs(text, accountID) }

// accountID finds the random part of an account's id at the beginning of text, as wire.MaskIDs asks for it.
func accountID(text string) (start, end int, ok bool) {
	start = accountPrefix(text)
	if start == 0 {
		return 0, 0, false
	}
	end = start
	for end < len(text) && wire.Alnum(text[end]) {
		end++
	}
	id := text[start:end]
	return start, end, len(id) >= minID && strings.ContainsAny(id, "0123456789") // otherwise a word, such as org-chart
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
