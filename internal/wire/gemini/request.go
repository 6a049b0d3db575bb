package gemini

import (
	"bytes"
	"slices"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Request is what Sluice reads of a request body, and the places that it may change. It belongs to the body that it was
// read from. The model and whether to stream stand in the path: who has read that sets Model and Stream.
type Request struct {
	wire.Request

	edits []edit // in order
}

// edit is a place in the body that may change: a value of model (of the body, of one of its requests, of its
// generateContentRequest), or a signature of another provider's, which Google would refuse (see seal).
type edit struct {
	at      wire.Span
	foreign bool
}

// ParseRequest validates body, which must be one JSON object, in one pass, and reads what Sluice needs of it: for OpChat a
// generateContent request, for OpEmbedding an embedContent or batchEmbedContents request (told apart by what is in it), for
// OpCountTokens a countTokens request. Fields that it does not read are not looked at but for their grammar.
//
// A field that is read must not be there twice, in either of its spellings, nor in another case: which of two values
// counts differs between JSON parsers, and a policy decided by one value while the provider acts on another would be no
// policy.
//
// The error is of KindBadRequest, with the field in Param.
func ParseRequest(op llm.Op, body []byte) (*Request, *llm.Error) {
	p := parser{op: op, body: body, r: new(Request)}
	p.r.Choices = 1
	if err := p.document(); err != nil {
		return nil, err
	}
	return p.r, nil
}

// AppendUpstream appends body as a target of the same dialect is sent it: all bytes are the same, but for the members that the
// change names (in either spelling), for the model's name where the body repeats it (embeddings and token counts), and for signatures of
// other providers, which become null.
func (r *Request) AppendUpstream(dst, body []byte, c *wire.Change) []byte {
	if c.Plain() {
		return r.splice(dst, body, c)
	}
	return wire.AppendChanged(dst, r.splice(nil, body, c), bothSpellings(c))
}

func (r *Request) splice(dst, body []byte, c *wire.Change) []byte {
	done := 0
	for _, e := range r.edits {
		if !e.foreign && c.Model == "" {
			continue
		}
		dst = append(dst, body[done:e.at.Start]...)
		if done = e.at.End; e.foreign {
			dst = append(dst, "null"...)
		} else {
			dst = wire.AppendString(dst, ResourceOf(c.Model))
		}
	}
	return append(dst, body[done:]...)
}

// bothSpellings returns the change for bodies in either spelling.
func bothSpellings(c *wire.Change) *wire.Change {
	both := *c
	both.Drop = slices.Clone(c.Drop)
	for _, name := range c.Drop {
		both.Drop = append(both.Drop, snake(name))
	}
	for i := range c.Set {
		both.Drop = append(both.Drop, snake(c.Set[i].Name))
	}
	both.Rename = slices.Clone(c.Rename)
	for _, r := range c.Rename {
		both.Rename = append(both.Rename, wire.NameChange{From: snake(r.From), To: r.To})
	}
	// What is set must not be dropped under its own name.
	both.Drop = slices.DeleteFunc(both.Drop, func(name string) bool {
		return slices.ContainsFunc(c.Set, func(m llm.Member) bool { return m.Name == name })
	})
	return &both
}

// field is a member of the request that Sluice reads.
type field uint8

const (
	fieldNone field = iota
	fieldModel
	fieldContents
	fieldSystem
	fieldTools
	fieldConfig
	fieldTier
	fieldContent
	fieldRequests
	fieldGenerate
	fieldCandidates
	fieldMaxTokens
)

var fieldNames = [...]string{
	fieldModel: "model", fieldContents: "contents", fieldSystem: "systemInstruction", fieldTools: "tools",
	fieldConfig: "generationConfig", fieldTier: "serviceTier", fieldContent: "content", fieldRequests: "requests",
	fieldGenerate: "generateContentRequest", fieldCandidates: "candidateCount", fieldMaxTokens: "maxOutputTokens",
}

// The fields of each object.
var (
	bodyFields   = [...]field{fieldContents, fieldSystem, fieldTools, fieldConfig, fieldTier, fieldModel, fieldContent, fieldRequests, fieldGenerate}
	configFields = [...]field{fieldCandidates, fieldMaxTokens}
	embedFields  = [...]field{fieldModel, fieldContent}
)

// parser is one run of ParseRequest.
type parser struct {
	sc   wire.Fields
	op   llm.Op
	body []byte
	r    *Request
}

func (p *parser) document() *llm.Error {
	if err := p.sc.Begin(p.body, nil); err != nil {
		return err
	}
	seen, err := p.fields("", bodyFields[:], p.member)
	if err != nil {
		return err
	}
	if !p.sc.End() {
		return p.sc.Syntax()
	}
	has := func(f field) bool { return seen&(1<<f) != 0 }
	switch {
	case p.op == llm.OpEmbedding && !has(fieldContent) && !has(fieldRequests):
		return bad("content", "content is missing, and so is requests")
	case p.op == llm.OpEmbedding && has(fieldContent) && has(fieldRequests):
		return bad("requests", "content and requests cannot both be there")
	case p.op == llm.OpChat && !has(fieldContents):
		return bad("contents", "contents is missing")
	case p.op == llm.OpCountTokens && !has(fieldContents) && !has(fieldGenerate):
		return bad("contents", "contents is missing, and so is generateContentRequest")
	}
	return nil
}

// object reads the object ahead, and gives those of its members that are among known to take, whose path and field they are.
// It returns a bit for each of them.
func (p *parser) object(path string, known []field, take func(path string, f field) *llm.Error) (seen uint32, err *llm.Error) {
	if k := p.sc.Kind(); !p.sc.Object() {
		return 0, p.wrong(path, k, "an object")
	}
	return p.fields(path, known, take)
}

// fields reads those of the object that was entered last.
func (p *parser) fields(path string, known []field, take func(path string, f field) *llm.Error) (seen uint32, err *llm.Error) {
	for {
		name, ok := p.sc.Member()
		if !ok {
			break
		}
		f, err := find(path, name, known)
		if err != nil {
			return 0, err
		}
		if f == fieldNone {
			p.sc.Value()
			continue
		}
		if seen&(1<<f) != 0 {
			return 0, bad(join(path, fieldNames[f]), "%s is there twice", join(path, fieldNames[f]))
		}
		seen |= 1 << f
		if err := take(join(path, fieldNames[f]), f); err != nil {
			return 0, err
		}
	}
	if p.sc.Err() != nil {
		return 0, p.sc.Syntax()
	}
	return seen, nil
}

// find returns which of the known fields name is.
func find(path string, name []byte, known []field) (field, *llm.Error) {
	for _, f := range known {
		if sameField(name, fieldNames[f]) {
			return f, nil
		}
	}
	for _, f := range known {
		if looksLike(name, fieldNames[f]) {
			return fieldNone, bad(join(path, fieldNames[f]), "%q is written in another case; write %s", string(name), fieldNames[f])
		}
	}
	return fieldNone, nil
}

// member reads a member of the body.
func (p *parser) member(path string, f field) *llm.Error {
	switch f {
	case fieldModel:
		return p.model(path)
	case fieldContents, fieldSystem:
		return p.input(path)
	case fieldTools:
		p.r.InputBytes += p.sc.Value().Len() // schemas are shown to the model as text much like JSON
	case fieldConfig:
		if p.null() {
			return nil
		}
		_, err := p.object(path, configFields[:], p.config)
		return err
	case fieldTier:
		return p.tier(path)
	case fieldContent:
		if p.op != llm.OpEmbedding {
			p.sc.Value()
			return nil
		}
		p.r.Inputs = 1
		return p.input(path)
	case fieldRequests:
		return p.requests(path)
	case fieldGenerate:
		if p.op != llm.OpCountTokens || p.null() {
			p.sc.Value()
			return nil
		}
		_, err := p.object(path, bodyFields[:], p.member)
		return err
	}
	return nil
}

// requests reads those of a batchEmbedContents.
func (p *parser) requests(path string) *llm.Error {
	if p.op != llm.OpEmbedding {
		p.sc.Value()
		return nil
	}
	if k := p.sc.Kind(); !p.sc.Array() {
		return p.wrong(path, k, "an array")
	}
	for p.sc.Element() {
		if p.r.Inputs++; p.r.Inputs > maxEmbeds {
			return bad(path, "requests are over the limit of %d", maxEmbeds)
		}
		if _, err := p.object(index(path, p.r.Inputs-1), embedFields[:], p.member1); err != nil {
			return err
		}
	}
	if p.sc.Err() == nil && p.r.Inputs == 0 {
		return bad(path, "requests is empty; it must have at least one")
	}
	return nil
}

// member1 reads a member of one of several requests.
func (p *parser) member1(path string, f field) *llm.Error {
	if f == fieldModel {
		return p.model(path)
	}
	return p.input(path)
}

// config reads a member of generationConfig.
func (p *parser) config(path string, f field) *llm.Error {
	v, err := p.integer(path)
	if err != nil {
		return err
	}
	if f == fieldMaxTokens {
		p.r.MaxTokens = max(v, 0)
		return nil
	}
	if v > maxCandidates || v < 0 {
		return bad(path, "candidateCount is %d; it must be from 1 to %d", v, maxCandidates)
	}
	p.r.Choices = max(int(v), 1)
	return nil
}

func (p *parser) model(path string) *llm.Error {
	if k := p.sc.Kind(); k != wire.String {
		return p.wrong(path, k, "a string")
	}
	at := p.sc.Value()
	if p.sc.Err() != nil {
		return p.sc.Syntax()
	}
	if n := p.sc.StringLen(at); n > wire.MaxModel {
		return bad(path, "%s has %d bytes, which is over the limit of %d", path, n, wire.MaxModel)
	}
	p.r.edits = append(p.r.edits, edit{at, false})
	return nil
}

// integer reads a whole number, as such or in quotes as Google's parser takes it too. null is 0.
func (p *parser) integer(path string) (int64, *llm.Error) {
	k := p.sc.Kind()
	if k != wire.Number && k != wire.String && k != wire.Null {
		return 0, p.wrong(path, k, "a whole number")
	}
	at := p.sc.Value()
	if p.sc.Err() != nil {
		return 0, p.sc.Syntax()
	}
	lit := at.Of(p.body)
	if k == wire.Null {
		return 0, nil
	}
	if v, ok := wire.Int(bytes.Trim(lit, `"`)); ok {
		return v, nil
	}
	return 0, bad(path, "%s is %s; it must be a whole number", path, wire.Clip(lit, 32))
}

func (p *parser) tier(path string) *llm.Error {
	k := p.sc.Kind()
	if k != wire.String && k != wire.Null {
		return p.wrong(path, k, "a string")
	}
	at := p.sc.Value()
	if p.sc.Err() == nil && k == wire.String {
		p.r.ServiceTier = tierOf(wire.Clip(wire.Unquote(nil, at.Of(p.body)), 64))
	}
	return nil // a fault in the grammar comes out at the end of the walk
}

// null passes over the value ahead if it is null.
func (p *parser) null() bool {
	if p.sc.Kind() != wire.Null {
		return false
	}
	p.sc.Value()
	return true
}

// wrong makes the error for a value that is not what it must be.
func (p *parser) wrong(path string, k wire.Kind, want string) *llm.Error {
	if k == wire.Invalid || p.sc.Err() != nil {
		p.sc.Value()
		return p.sc.Syntax()
	}
	return bad(path, "%s is %s; it must be %s", path, k, want)
}

// tierOf returns a service tier in OpenAI's words. The API's enum is lower case in the SDKs' types (standard, flex, priority).
func tierOf[S ~string | ~[]byte](tier S) string {
	switch name := strings.TrimPrefix(strings.ToLower(string(tier)), "service_tier_"); name {
	case "standard":
		return "default"
	case "unspecified":
		return ""
	default:
		return name
	}
}
