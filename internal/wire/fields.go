package wire

import (
	"bytes"
	"fmt"
	"strings"

	"sluice/internal/llm"
)

// MaxModel is how many bytes a model's name may have.
const MaxModel = 512

// Fields is a walk over the body of a request that stops at the members that a codec reads, and reads them. Other members are
// not looked at but for their grammar: the provider will judge.
//
// A member that is read must not be there twice, nor in another case: which of two values counts differs between JSON
// parsers, and a policy decided by one value while the provider acts on another would be no policy.
//
// All errors are of KindBadRequest, with the field in Param. Nothing is allocated but the strings and errors returned. The zero
// value is ready for Begin; the embedded Scanner may be used for values that Fields has no method for.
type Fields struct {
	Scanner
	names []string
	seen  uint32 // bit by index in names
	last  int    // end of the last member's value
}

// Begin starts a walk over body, which must be one JSON object. names are the members that are read, at most 31, from index 1 on;
// what stands at 0 is not looked at. It may be nil where Next is not called.
func (f *Fields) Begin(body []byte, names []string) *llm.Error {
	f.Reset(body)
	f.names, f.seen, f.last = names, 0, 0
	switch {
	case len(bytes.TrimSpace(body)) == 0:
		return bad("", "request body is empty; it must be a JSON object")
	case bytes.HasPrefix(body, []byte("\xef\xbb\xbf")):
		return bad("", "request body begins with a byte-order mark; it must begin with {")
	case !f.Object():
		k := f.Kind()
		f.Value()
		if !f.End() {
			return f.Syntax()
		}
		return bad("", "request body is %s; it must be a JSON object", k)
	}
	return nil
}

// Next steps to the next member that is read, whose value is then ahead, and returns its index in the names; 0 after the last
// one, when the whole body has been validated.
func (f *Fields) Next() (int, *llm.Error) {
	for {
		f.last = f.Pos()
		name, ok := f.Member()
		if !ok {
			break
		}
		i := f.find(name)
		if i == 0 {
			if i = f.lookAlike(name); i != 0 {
				// name points into the scanner: formatted as it is, it would move the scanner to the heap.
				return 0, bad(f.names[i], "%q is written in another case; write %s", string(name), f.names[i])
			}
			f.Value()
			continue
		}
		if f.Has(i) {
			return 0, bad(f.names[i], "%s is there twice", f.names[i])
		}
		f.seen |= 1 << i
		return i, nil
	}
	if !f.End() {
		return 0, f.Syntax()
	}
	return 0, nil
}

// Has reports whether Next has returned i.
func (f *Fields) Has(i int) bool { return f.seen&(1<<i) != 0 }

// Last returns where the body's last value ends, once Next has returned 0 without an error.
func (f *Fields) Last() int { return f.last }

func (f *Fields) find(name []byte) int {
	for i, s := range f.names[1:] {
		if string(name) == s {
			return i + 1
		}
	}
	return 0
}

// lookAlike returns the member that name would be to a parser that ignores case, as encoding/json does.
func (f *Fields) lookAlike(name []byte) int {
	for _, c := range name {
		if c-'A' <= 'Z'-'A' || c >= 0x80 {
			for i, s := range f.names[1:] {
				if bytes.EqualFold(name, []byte(s)) {
					return i + 1
				}
			}
			return 0
		}
	}
	return 0
}

// Model reads the name of a model, and returns where it stands.
func (f *Fields) Model(name *string) (at Span, err *llm.Error) {
	if k := f.Kind(); k != String && k != Invalid {
		return at, bad("model", "model is %s; it must be a string", k)
	}
	at = f.Value()
	if f.Err() != nil {
		return at, f.Syntax()
	}
	switch n := f.StringLen(at); {
	case n == 0:
		return at, bad("model", "model is empty")
	case n > MaxModel:
		return at, bad("model", "model has %d bytes, which is over the limit of %d", n, MaxModel)
	}
	*name = TextOf(at.Of(f.buf))
	return at, nil
}

// Bool reads a boolean or null, which counts as false. param is the field's path for errors, here and below.
func (f *Fields) Bool(param string, v *bool) *llm.Error {
	lit, _, err := f.value(param, Bool, "a boolean")
	if err == nil {
		*v = lit[0] == 't'
	}
	return err
}

// Int reads a whole number or null. ok is false for null.
func (f *Fields) Int(param string) (v int64, ok bool, err *llm.Error) {
	lit, k, err := f.value(param, Number, "a whole number")
	if err != nil || k == Null {
		return 0, false, err
	}
	if v, ok = Int(lit); !ok {
		return 0, false, bad(param, "%s is %s; it must be a whole number", param, Clip(lit, 32))
	}
	return v, true, nil
}

// Limit reads a limit of tokens. Null, and a negative one, as servers take it for no limit, count as 0.
func (f *Fields) Limit(param string, v *int64) *llm.Error {
	n, _, err := f.Int(param)
	*v = max(n, 0)
	return err
}

// Text reads a string or null, which leaves v as it is, and keeps its first limit bytes.
func (f *Fields) Text(param string, limit int, v *string) *llm.Error {
	lit, k, err := f.value(param, String, "a string")
	if err != nil || k == Null {
		return err
	}
	text := TextOf(lit)
	if cut := Clip(text, limit); len(cut) < len(text) {
		text = strings.Clone(cut)
	}
	*v = text
	return nil
}

// value passes over the value ahead, which must be of a kind, or null.
func (f *Fields) value(param string, want Kind, name string) (lit []byte, k Kind, err *llm.Error) {
	if k = f.Kind(); k != want && k != Null && k != Invalid {
		return nil, k, bad(param, "%s is %s; it must be %s", param, k, name)
	}
	at := f.Value()
	if f.Err() != nil {
		return nil, k, f.Syntax()
	}
	return at.Of(f.buf), k, nil
}

// Syntax returns the error for a body that is no JSON, after the scanner's first fault.
func (f *Fields) Syntax() *llm.Error {
	return bad("", "request body is not valid JSON: %v", f.Err())
}

func bad(param, format string, args ...any) *llm.Error {
	return &llm.Error{Kind: llm.KindBadRequest, Param: param, Message: fmt.Sprintf(format, args...)}
}
