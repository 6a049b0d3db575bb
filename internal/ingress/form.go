package ingress

import (
	"bytes"
	"errors"
	"io"
	"mime"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

const (
	// maxLookAhead bounds what is read of a form, and kept, to find the model's name in it. Clients put it in front of the file or
	// behind: a file that comes first must fit.
	maxLookAhead = 1 << 20
	// maxPartHeader bounds the headers of one part of a form.
	maxPartHeader = 8 << 10
	// lookSize is how much is read of a form at once.
	lookSize = 16 << 10
)

// form follows a multipart form on its way (RFC 7578) to find the part that names the model, and to see that there is no second one:
// servers differ in which of two counts. It is strict where servers differ too: lines end with CRLF, and what looks like a boundary
// is one or is refused. It keeps what it has read until the model is known, and nothing after that but the last few bytes.
type form struct {
	delimiter []byte // CRLF, two dashes and the boundary

	state  formState
	carry  []byte // bytes that are not decided yet
	offset int64  // of the first of them in the body; the body is taken to begin behind a CRLF of its own
	found  bool   // the part named model has begun
	inside bool   // its data are being read
	fault  *llm.Error

	head  []byte    // the form from its beginning until the model was known
	model wire.Span // value of model in head; valid when known is set
	known bool
}

// formState is what the bytes ahead belong to.
type formState uint8

const (
	inData    formState = iota // of a part, or what comes before the first
	atEnd                      // of a delimiter: CRLF or two dashes follow
	inHeaders                  // of a part
	afterAll                   // behind the last boundary
)

func newForm(boundary string) *form {
	return &form{delimiter: []byte("\r\n--" + boundary), carry: []byte("\r\n"), offset: -2}
}

// name returns the model's name.
func (f *form) name() string { return string(f.model.Of(f.head)) }

// look reads a form until the model's name is known.
func (f *form) look(body io.Reader) *llm.Error {
	buf := make([]byte, lookSize)
	for {
		n, err := body.Read(buf[:min(lookSize, maxLookAhead-len(f.head))])
		f.head = append(f.head, buf[:n]...)
		f.see(buf[:n])
		switch {
		case f.fault != nil:
			return f.fault
		case f.known:
			return f.checkModel()
		case f.state == afterAll || err == io.EOF:
			return badModel("model is missing: the form has no part of this name")
		case err != nil:
			return readFault(err)
		case len(f.head) >= maxLookAhead:
			return badModel("model is not within the first 1 MiB of the form; send it before the file")
		}
	}
}

func (f *form) checkModel() *llm.Error {
	if name := f.model.Of(f.head); len(name) == 0 || len(name) > maxModel || bytes.ContainsAny(name, "\r\n\x00") {
		return badModel("model is %.40q; it must be a name of 1 to %d bytes", name, maxModel)
	}
	return nil
}

// readFault returns an error of an incoming body as what it is.
func readFault(err error) *llm.Error {
	if e, ok := errors.AsType[*llm.Error](err); ok {
		return e
	}
	return &llm.Error{Kind: llm.KindCanceled, Message: "the body broke off", Err: err}
}

func badModel(format string, args ...any) *llm.Error {
	e := llm.Errorf(llm.KindBadRequest, format, args...)
	e.Param = "model"
	return e
}

// rest returns the reader of what follows what look has read.
func (f *form) rest(body io.Reader) io.Reader { return &formRest{form: f, body: body} }

// formRest reads the rest of a form and watches it.
type formRest struct {
	form *form
	body io.Reader
}

// Read reads on. Of a form with a second model nothing more is given out.
func (r *formRest) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	r.form.see(p[:n])
	if e := r.form.fault; e != nil {
		return 0, e
	}
	return n, err
}

// see is given the next bytes of the form.
func (f *form) see(p []byte) {
	f.carry = append(f.carry, p...)
	for f.fault == nil && f.step() {
	}
}

// step decides on some of the bytes that are carried. It reports false when more are needed.
func (f *form) step() bool {
	switch f.state {
	case inData:
		return f.data()
	case atEnd:
		return f.end()
	case inHeaders:
		return f.headers()
	default:
		f.drop(len(f.carry))
		return false
	}
}

// drop leaves n carried bytes behind.
func (f *form) drop(n int) {
	f.offset += int64(n)
	f.carry = append(f.carry[:0], f.carry[n:]...)
}

// data looks for the delimiter that ends a part.
func (f *form) data() bool {
	at := bytes.Index(f.carry, f.delimiter)
	if at < 0 {
		f.drop(max(len(f.carry)-len(f.delimiter)+1, 0))
		return false
	}
	if f.inside {
		f.inside, f.known = false, true
		f.model.End = max(int(f.offset)+at, f.model.Start)
	}
	f.drop(at + len(f.delimiter))
	f.state = atEnd
	return true
}

// end looks at what follows a delimiter.
func (f *form) end() bool {
	if len(f.carry) < 2 {
		return false
	}
	switch string(f.carry[:2]) {
	case "--":
		f.state = afterAll
	case "\r\n":
		// It stays: headers end with an empty line, also where there are none.
		f.state = inHeaders
		return true
	default:
		f.fault = llm.Errorf(llm.KindBadRequest, "the form cannot be read: its boundary is followed by %q at byte %d", f.carry[:2], f.offset)
		return false
	}
	f.drop(2)
	return true
}

// headers reads the headers of a part.
func (f *form) headers() bool {
	end := bytes.Index(f.carry, []byte("\r\n\r\n"))
	if end < 0 {
		if len(f.carry) > maxPartHeader {
			f.fault = llm.Errorf(llm.KindBadRequest, "the form cannot be read: the headers of a part are over %d bytes", maxPartHeader)
		}
		return false
	}
	name, ok := partName(f.carry[:end])
	if !ok {
		f.fault = llm.Errorf(llm.KindBadRequest, "the form cannot be read: a part has no Content-Disposition with a name, at byte %d", f.offset)
		return false
	}
	// The CRLF before the data stays, as part of the delimiter of a part without data. It is no part of the data.
	f.drop(end + 2)
	f.state = inData
	if name != "model" {
		return true
	}
	if f.found {
		f.fault = badModel("model is there twice")
		return false
	}
	f.found, f.inside = true, true
	f.model.Start = int(f.offset) + 2
	return true
}

// partName returns the name in the headers of a part. ok is false if there is none, or more than one.
func partName(headers []byte) (name string, ok bool) {
	for line := range bytes.SplitSeq(headers, []byte("\r\n")) {
		key, value, colon := bytes.Cut(line, []byte(":"))
		if !colon || !bytes.EqualFold(bytes.TrimSpace(key), []byte("Content-Disposition")) {
			continue
		}
		kind, params, err := mime.ParseMediaType(string(bytes.TrimSpace(value)))
		if err != nil || kind != "form-data" || ok {
			return "", false
		}
		name, ok = params["name"]
		if !ok {
			return "", false
		}
	}
	return name, ok
}
