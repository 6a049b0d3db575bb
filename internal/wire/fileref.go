package wire

// FileRef is an object in a request that refers to an uploaded file by its id, where it could hold the file itself.
type FileRef struct {
	ID   string
	At   Span   // of the object, in the body
	Path string // of the object, for errors
	// Form returns the object that holds a file of a name and a type; the name may be empty.
	Form func(name, mime string) FileForm
}

// FileForm is an object with a file in it: the data stand between Before and After.
type FileForm struct {
	Before, After []byte
	// Text says that the data are text, and are written as JSON escapes it. Otherwise they are written in base64.
	Text bool
}

// Members returns where the values of members of an object at a place of body stand, one for each name. That of a member which is
// absent, or null, is the zero Span. ok is false if there is no object, it is no JSON, or it has one of the members twice: servers
// differ in which of two counts.
func Members(body []byte, at Span, names ...string) (values []Span, ok bool) {
	values, seen := make([]Span, len(names)), make([]bool, len(names))
	twice := false
	object, err := Walk(at.Of(body), func(name string, v Span) bool {
		for i := range names {
			if names[i] != name {
				continue
			}
			twice = twice || seen[i]
			seen[i] = true
			if lit := v.Of(at.Of(body)); lit[0] != 'n' {
				values[i] = Span{at.Start + v.Start, at.Start + v.End}
			}
		}
		return !twice
	})
	return values, object && err == nil && !twice
}

// NewFileForm returns the form of an object that is changed and gets the data in a member of its own, behind a prefix that needs no
// escapes.
func NewFileForm(object []byte, c *Change, member, prefix string) FileForm {
	b := AppendChanged(nil, object, c)
	if b = b[:len(b)-1]; len(b) > 1 {
		b = append(b, ',')
	}
	b = append(AppendString(b, member), `:"`...)
	return FileForm{Before: append(b, prefix...), After: []byte(`"}`)}
}
