package anthropic

import (
	"slices"
	"strconv"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// value is a JSON value that has been validated, and where it stands in a body, for messages and for what is noted.
type value struct {
	raw  []byte
	path string
}

// kind returns the value's kind.
func (v value) kind() wire.Kind {
	var sc wire.Scanner
	sc.Reset(v.raw)
	return sc.Kind()
}

// at returns the value raw that is the member name of v.
func (v value) at(name string, raw []byte) value {
	if v.path == "" {
		return value{raw, name}
	}
	return value{raw, v.path + "." + name}
}

// walker reads JSON values that have been validated, straight down: the first fault stays in err, and what cannot be read is
// as good as not there.
type walker struct {
	err   *llm.Error
	extra []llm.Member
}

// fail notes the first fault.
func (w *walker) fail(path, format string, args ...any) {
	if w.err == nil {
		w.err = bad(path, path+": "+format, args...)
	}
}

// note keeps a member that has no word in llm, once for all messages or tools that have it: its name is the path without
// indexes. One that is null asks for nothing.
func (w *walker) note(v value) {
	name := withoutIndexes(v.path)
	known := slices.ContainsFunc(w.extra, func(m llm.Member) bool { return m.Name == name })
	if v.kind() != wire.Null && !known {
		w.extra = append(w.extra, llm.Member{Name: name, Value: string(v.raw)})
	}
}

// withoutIndexes returns a path with empty brackets: messages[].content[].citations.
func withoutIndexes(path string) string {
	out := make([]byte, 0, len(path))
	inside := false
	for i := range len(path) {
		c := path[i]
		if c == ']' {
			inside = false
		}
		if !inside {
			out = append(out, c)
		}
		if c == '[' {
			inside = true
		}
	}
	return string(out)
}

// want reports whether v is of a kind. Null is as good as absent; anything else is a fault.
func (w *walker) want(v value, kind wire.Kind) bool {
	k := v.kind()
	if k != kind && k != wire.Null && k != wire.Invalid {
		w.fail(v.path, "Input is %s; it must be %s", k, kind)
	}
	return k == kind
}

// members calls f for each member of the object v, in order.
func (w *walker) members(v value, f func(name string, m value)) {
	if !w.want(v, wire.Object) {
		return
	}
	var sc wire.Scanner
	sc.Reset(v.raw)
	sc.Object()
	for {
		member, ok := sc.Member()
		if !ok {
			return
		}
		name := string(member)
		f(name, v.at(name, sc.Value().Of(v.raw)))
	}
}

// elements calls f for each element of the array v, in order.
func (w *walker) elements(v value, f func(e value)) {
	if !w.want(v, wire.Array) {
		return
	}
	var sc wire.Scanner
	sc.Reset(v.raw)
	sc.Array()
	for i := 0; sc.Element(); i++ {
		f(value{sc.Value().Of(v.raw), v.path + "[" + strconv.Itoa(i) + "]"})
	}
}

// text reads a string.
func (w *walker) text(v value) string {
	if !w.want(v, wire.String) {
		return ""
	}
	return wire.TextOf(v.raw)
}

// flag reads a boolean.
func (w *walker) flag(v value) bool { return w.want(v, wire.Bool) && v.raw[0] == 't' }

// number reads a number as it is written.
func (w *walker) number(v value) llm.Number {
	if !w.want(v, wire.Number) {
		return ""
	}
	return llm.Number(v.raw)
}

// whole reads a whole number that is not negative.
func (w *walker) whole(v value) int64 {
	if !w.want(v, wire.Number) {
		return 0
	}
	n, ok := wire.Int(v.raw)
	if !ok || n < 0 {
		w.fail(v.path, "Input is %s; it must be a whole number, and not negative", wire.Clip(v.raw, 32))
		return 0
	}
	return n
}

// typeOf reads the member type of an object.
func (w *walker) typeOf(v value) (kind string) {
	w.members(v, func(name string, m value) {
		if name == "type" {
			kind = w.text(m)
		}
	})
	return kind
}
