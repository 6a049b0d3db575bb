package anthropic

import "sluice/internal/wire"

// AppendUpstream appends body as a target of this dialect is sent it: with the value of model that the change has, without
// thinking that another provider made (see seal), and with the members that the change names set, dropped and renamed. All
// other bytes are the same. body is the one that r was parsed from. Change.Usage is no choice in this dialect.
func (r *Request) AppendUpstream(dst, body []byte, c *wire.Change) []byte {
	if c.NoThinking {
		r = r.withoutThinking(body)
	}
	if c.Plain() {
		return r.splice(dst, body, c.Model)
	}
	return append(dst, wire.AppendChanged(nil, r.splice(nil, body, c.Model), c)...)
}

// withoutThinking returns the request as it is read where no thinking may stay.
func (r *Request) withoutThinking(body []byte) *Request {
	p := parser{body: body, bare: true}
	p.sc.Reset(body)
	_ = p.object() // it has been read before
	p.r.Request = r.Request
	return &p.r
}

// splice appends body with the model's name replaced, unless model is empty, and without the cuts.
func (r *Request) splice(dst, body []byte, model string) []byte {
	if model == r.Model {
		model = ""
	}
	done := 0
	for _, cut := range r.cuts {
		if model != "" && r.model.Start < cut.Start {
			dst = append(dst, body[done:r.model.Start]...)
			dst = wire.AppendString(dst, model)
			done, model = r.model.End, ""
		}
		dst = append(dst, body[done:cut.Start]...)
		done = cut.End
	}
	if model != "" {
		dst = append(dst, body[done:r.model.Start]...)
		dst = wire.AppendString(dst, model)
		done = r.model.End
	}
	return append(dst, body[done:]...)
}
