package sim

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
)

// form is a multipart form in memory.
type form struct {
	values map[string]string
	files  map[string][]byte
}

func (f *form) value(name string) string { return f.values[name] }

// file returns the content of a file; a list of files has its first under the name.
func (f *form) file(name string) []byte {
	if b := f.files[name]; b != nil {
		return b
	}
	return f.files[name+"[]"]
}

// maxParts bounds the parts of a form.
const maxParts = 1000

// readForm reads the form of a request.
func readForm(r *http.Request, body []byte) (*form, *refusal) {
	bad := func(text string) (*form, *refusal) { return nil, refuseField("", text) }
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return bad("Invalid content type: expected multipart/form-data with a boundary.")
	}
	f := &form{map[string]string{}, map[string][]byte{}}
	parts := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for range maxParts {
		p, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return f, nil
		}
		if err != nil {
			return bad("Could not parse the multipart form: " + err.Error())
		}
		b, err := io.ReadAll(p)
		switch {
		case err != nil:
			return bad("Could not parse the multipart form: " + err.Error())
		case p.FileName() != "" && f.files[p.FormName()] == nil:
			f.files[p.FormName()] = append([]byte{}, b...)
		case p.FileName() == "":
			f.values[p.FormName()] = string(b)
		}
	}
	return bad("The multipart form has more than 1000 parts.")
}
