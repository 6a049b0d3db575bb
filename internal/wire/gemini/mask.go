package gemini

import (
	"strings"

	"sluice/internal/wire"
)

// maskProjects replaces the ids of the operator's projects in text, JSON or not: errors of quotas and of access name them
// ("consumer 'project_number:681255809395'"), and they are no business of clients. Where there is none, text is returned as it
// is.
func maskProjects(text string) string { return wire.MaskIDs(text, projectID) }

// projectID finds a project's id at the beginning of text, as wire.MaskIDs asks for it.
func projectID(text string) (start, end int, ok bool) {
	start, digits := projectPrefix(text)
	end = start
	for start > 0 && end < len(text) && (wire.Alnum(text[end]) || text[end] == '-' || text[end] == '_') {
		end++
	}
	id := text[start:end]
	if id == "" || digits && strings.Trim(id, "0123456789") != "" {
		return start, start, false // a word, such as "project settings"
	}
	return start, end, true
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
