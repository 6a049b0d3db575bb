package wire

import "bytes"

// Merge is the members of a JSON object that is added up from the chunks of a stream: those that a codec knows by their rules, and all
// others as they were written. Texts grow in place, so that adding to one allocates nothing in the long run. The zero value is an object
// without members. It grows with what is added, which is for the caller to bound.
type Merge struct {
	list []*Merged
}

// Merged is one member, or what becomes of it. It is left out as long as nothing was added.
type Merged struct {
	name []byte // literal
	form mergedForm
	text []byte // a literal; of a text, or an array, what stands inside
	sub  *Merge
	put  func(dst []byte) []byte
}

// mergedForm is what a member is.
type mergedForm uint8

const (
	mergedNone    mergedForm = iota
	mergedLiteral            // text is the value
	mergedText               // text is the inside of a string
	mergedArray              // text is the inside of an array
	mergedObject             // sub
	mergedPut                // put appends it
)

// At returns the member of a name, given as a literal, which is added if there is none. It stays valid.
func (m *Merge) At(name []byte) *Merged {
	for _, v := range m.list {
		if bytes.Equal(v.name, name) {
			return v
		}
	}
	v := &Merged{name: bytes.Clone(name)}
	m.list = append(m.list, v)
	return v
}

// Find returns the member of a name, given as a literal; nil if there is none.
func (m *Merge) Find(name string) *Merged {
	for _, v := range m.list {
		if string(v.name) == name {
			return v
		}
	}
	return nil
}

// Append appends the object. Members are in the order in which they came first.
func (m *Merge) Append(dst []byte) []byte {
	dst = append(dst, '{')
	first := true
	for _, v := range m.list {
		if v.form == mergedNone {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(append(dst, v.name...), ':')
		dst = v.Append(dst)
	}
	return append(dst, '}')
}

// Append appends the value, null for none.
func (v *Merged) Append(dst []byte) []byte {
	switch v.form {
	case mergedLiteral:
		return append(dst, v.text...)
	case mergedText:
		return append(append(append(dst, '"'), v.text...), '"')
	case mergedArray:
		return append(append(append(dst, '['), v.text...), ']')
	case mergedObject:
		return v.sub.Append(dst)
	case mergedPut:
		return v.put(dst)
	}
	return append(dst, "null"...)
}

// says reports whether a literal says something: it is not null, and not empty.
func says(lit []byte) bool {
	switch string(lit) {
	case "", "null", `""`, "{}", "[]":
		return false
	}
	return true
}

// Says reports whether there is a value that is not null and not empty.
func (v *Merged) Says() bool {
	switch v.form {
	case mergedNone:
		return false
	case mergedLiteral:
		return says(v.text)
	case mergedText, mergedArray:
		return len(v.text) > 0
	}
	return true
}

// Missing reports whether nothing was added, not even null.
func (v *Merged) Missing() bool { return v.form == mergedNone }

// Set takes a later value in place of an earlier one, unless it says nothing and the other does.
func (v *Merged) Set(lit []byte) {
	if len(lit) > 0 && (says(lit) || !v.Says()) {
		v.form, v.text = mergedLiteral, append(v.text[:0], lit...)
	}
}

// First keeps the first value that says something.
func (v *Merged) First(lit []byte) {
	if !v.Says() {
		v.Set(lit)
	}
}

// Clear takes the value out.
func (v *Merged) Clear() { v.form, v.text, v.sub, v.put = mergedNone, v.text[:0], nil, nil }

// Put gives the member a value that is written when the answer is.
func (v *Merged) Put(put func(dst []byte) []byte) { v.form, v.put = mergedPut, put }

// Join adds a text to the text so far. A value that is no string is taken as by First.
func (v *Merged) Join(lit []byte) {
	if len(lit) < 2 || lit[0] != '"' {
		v.First(lit)
		return
	}
	if v.form != mergedText {
		v.form, v.text = mergedText, v.text[:0]
	}
	v.text = append(v.text, lit[1:len(lit)-1]...)
}

// Extend adds the elements of an array to those so far. A value that is no array is taken as by First.
func (v *Merged) Extend(lit []byte) {
	if len(lit) < 2 || lit[0] != '[' {
		v.First(lit)
		return
	}
	if v.form != mergedArray {
		v.form, v.text = mergedArray, v.text[:0]
	}
	v.more(bytes.TrimSpace(lit[1 : len(lit)-1]))
}

func (v *Merged) more(elements []byte) {
	if len(elements) == 0 {
		return
	}
	if len(v.text) > 0 {
		v.text = append(v.text, ',')
	}
	v.text = append(v.text, elements...)
}

// ExtendNew is Extend for lists that may repeat what they said before: elements that are there, byte for byte, are left out.
func (v *Merged) ExtendNew(lit []byte) {
	if len(lit) < 2 || lit[0] != '[' || v.form != mergedArray {
		v.Extend(lit)
		return
	}
	var sc Scanner
	sc.Reset(lit)
	sc.Array()
	for sc.Element() {
		if one := sc.Value().Of(lit); !bytes.Contains(v.text, one) {
			v.more(one)
		}
	}
}

// Object makes the member an object, and returns its members.
func (v *Merged) Object() *Merge {
	if v.form != mergedObject {
		v.form, v.sub = mergedObject, new(Merge)
	}
	return v.sub
}

// Text returns the inside of a text, valid until it is added to; nil for what is none.
func (v *Merged) Text() []byte {
	if v.form != mergedText {
		return nil
	}
	return v.text
}
