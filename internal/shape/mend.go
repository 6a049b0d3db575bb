package shape

import (
	"encoding/json"
	"strings"
)

// Bounds of the search for JSON within a text.
const (
	maxMend   = 1 << 20 // bytes of a text
	maxStarts = 32      // places where a value may begin that are tried
)

// Mend returns text with what models put around JSON taken away (a code fence, a sentence before or after), if what is left has
// the form; ok is false otherwise. It never changes the JSON itself. Where a text has several values it does not choose.
func (f *Form) Mend(text string) (mended string, ok bool) {
	if !f.Text() || len(text) > maxMend {
		return "", false
	}
	text = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(text), "\ufeff"))
	for _, find := range []func(string) (string, bool){whole, fenced, only} {
		if found, ok := find(text); ok && f.holds(f.text, found) == nil {
			return found, true
		}
	}
	return "", false
}

func whole(text string) (string, bool) { return text, true }

// fenced returns what stands in the text's only code fence.
func fenced(text string) (string, bool) {
	const fence = "```"
	if strings.Count(text, fence) != 2 {
		return "", false
	}
	_, rest, _ := strings.Cut(text, fence)
	inside, _, _ := strings.Cut(rest, fence)
	if i := strings.IndexAny(inside, "{[\"\n"); i >= 0 {
		inside = inside[i:] // behind the name of the language
	}
	return strings.TrimSpace(inside), true
}

// only returns the text's only object, or its only array where there is no object. A number in brackets, as after a quotation,
// does not count.
func only(text string) (string, bool) {
	var objects, arrays []string
	for start := 0; start < maxStarts && text != ""; start++ {
		i := strings.IndexAny(text, "{[")
		if i < 0 {
			break
		}
		text = text[i:]
		d := json.NewDecoder(strings.NewReader(text))
		var value json.RawMessage
		if d.Decode(&value) != nil {
			text = text[1:]
			continue
		}
		found := text[:d.InputOffset()]
		text = text[len(found):]
		switch {
		case found[0] == '{':
			objects = append(objects, found)
		case strings.Trim(found, "[] 0123456789,") != "":
			arrays = append(arrays, found)
		}
	}
	if strings.ContainsAny(text, "{[") {
		return "", false // more places than are tried
	}
	if len(objects) == 1 && len(arrays) == 0 {
		return objects[0], true
	}
	if len(arrays) == 1 && len(objects) == 0 {
		return arrays[0], true
	}
	return "", false
}
