package openai

import (
	"strconv"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// place is where a value stands in a request. It is put into words only for errors.
type place struct {
	up    *place
	name  string // of a member; "" for an element
	index int
}

func (p *place) member(name string) *place { return &place{up: p, name: name} }

func (p *place) element(i int) *place { return &place{up: p, index: i} }

// String returns the path, such as messages[2].content[0].image_url.
func (p *place) String() string {
	switch {
	case p == nil:
		return ""
	case p.name == "":
		return p.up.String() + "[" + strconv.Itoa(p.index) + "]"
	case p.up == nil:
		return p.name
	default:
		return p.up.String() + "." + p.name
	}
}

// decoder reads values of a body that is valid JSON into words of llm. The first error stays, and what is read after it is
// empty, so that a reader goes straight down and looks once at the end. Null counts as absent everywhere.
type decoder struct{ err *llm.Error }

// fail notes the first error.
func (d *decoder) fail(at *place, format string, args ...any) {
	if d.err == nil {
		d.err = bad(at.String(), format, args...)
	}
}

// kindOfValue returns the kind of a JSON text, judged by its first byte.
func kindOfValue(v []byte) wire.Kind {
	var sc wire.Scanner
	sc.Reset(v)
	return sc.Kind()
}

// is reports whether v is of the kind that it must be; null is not, but no error.
func (d *decoder) is(v []byte, want wire.Kind, at *place) bool {
	k := kindOfValue(v)
	if k == want {
		return d.err == nil
	}
	if k != wire.Null && len(v) > 0 {
		d.fail(at, "%s is %s; it must be %s", at, k, want)
	}
	return false
}

// object calls take for each member that is not null.
func (d *decoder) object(v []byte, at *place, take func(name string, v []byte)) {
	if !d.is(v, wire.Object, at) {
		return
	}
	var sc wire.Scanner
	sc.Reset(v)
	sc.Object()
	for {
		name, ok := sc.Member()
		if !ok || d.err != nil {
			return
		}
		s, null := string(name), sc.Kind() == wire.Null
		if m := sc.Value().Of(v); !null {
			take(s, m)
		}
	}
}

// array calls take for each element.
func (d *decoder) array(v []byte, at *place, take func(i int, v []byte)) {
	if !d.is(v, wire.Array, at) {
		return
	}
	var sc wire.Scanner
	sc.Reset(v)
	sc.Array()
	for i := 0; sc.Element() && d.err == nil; i++ {
		take(i, sc.Value().Of(v))
	}
}

func (d *decoder) text(v []byte, at *place) string {
	if !d.is(v, wire.String, at) {
		return ""
	}
	return wire.TextOf(v)
}

func (d *decoder) number(v []byte, at *place) llm.Number {
	if !d.is(v, wire.Number, at) {
		return ""
	}
	return llm.Number(v)
}

// integer reads a whole number; what is below zero counts as none, as servers take -1 for no limit.
func (d *decoder) integer(v []byte, at *place) int64 {
	if !d.is(v, wire.Number, at) {
		return 0
	}
	n, ok := wire.Int(v)
	if !ok {
		d.fail(at, "%s is %s; it must be a whole number", at, wire.Clip(v, 32))
	}
	return max(n, 0)
}

// boolean reads a boolean; nil if there is none.
func (d *decoder) boolean(v []byte, at *place) *bool {
	if !d.is(v, wire.Bool, at) {
		return nil
	}
	b := v[0] == 't'
	return &b
}

func (d *decoder) flag(v []byte, at *place) bool {
	b := d.boolean(v, at)
	return b != nil && *b
}

// json returns the text of a value of a kind.
func (d *decoder) json(v []byte, kind wire.Kind, at *place) string {
	if !d.is(v, kind, at) {
		return ""
	}
	return string(v)
}

// oneOf reads a text that must be one of names.
func (d *decoder) oneOf(v []byte, at *place, names ...string) string {
	s := d.text(v, at)
	if s == "" && d.err != nil || v == nil {
		return ""
	}
	for _, n := range names {
		if s == n {
			return s
		}
	}
	d.fail(at, "%s is %q; it must be one of %s", at, wire.Readable([]byte(s)), strings.Join(names, ", "))
	return ""
}
