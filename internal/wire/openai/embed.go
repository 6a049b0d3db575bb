package openai

import (
	"strconv"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// ReadEmbed reads an embeddings request. The error is of KindBadRequest, with the field in Param. Beside OpenAI's own members
// input_type is read, by which clients of OpenAI's form ask servers of retrieval models (NVIDIA, Voyage behind a proxy) for one
// of two kinds of vectors; PROVIDERS.md has no word on it, and OpenAI refuses it.
func ReadEmbed(body []byte) (*llm.Embed, *llm.Error) {
	e := &llm.Embed{}
	var fault *llm.Error
	ok, err := wire.Walk(body, func(name string, at wire.Span) bool {
		fault = embedMember(e, name, body, at)
		return fault == nil
	})
	switch {
	case fault != nil:
		return nil, fault
	case err != nil:
		return nil, bad("", "request body is not valid JSON: %v", err)
	case !ok:
		return nil, bad("", "request body is not a JSON object")
	case len(e.Inputs) == 0:
		return nil, bad("input", "input is missing or empty; it must be a text, or an array of texts or of token arrays")
	}
	return e, nil
}

func embedMember(e *llm.Embed, name string, body []byte, at wire.Span) *llm.Error {
	lit := at.Of(body)
	if string(lit) == "null" {
		return nil
	}
	text, isText := wire.Text(lit)
	switch name {
	case "model", "user", "encoding_format", "input_type":
		if !isText {
			return bad(name, "%s is %s; it must be a string", name, wire.Clip(lit, 40))
		}
	}
	switch name {
	case "model":
		e.Model = text
	case "user":
		e.User = text
	case "input":
		return embedInput(e, body, at)
	case "encoding_format":
		e.Base64 = text == "base64"
		if !e.Base64 && text != "float" {
			return bad(name, "encoding_format is %s; it must be float or base64", wire.Clip(lit, 40))
		}
	case "dimensions":
		n, ok := int64(0), false
		if !isText {
			n, ok = wire.Int(lit)
		}
		if !ok || n < 1 {
			return bad(name, "dimensions is %s; it must be a whole number, 1 or more", wire.Clip(lit, 40))
		}
		e.Dimensions = n
	case "input_type":
		if e.Task = taskOf(text); e.Task == llm.TaskNone {
			e.Extra = append(e.Extra, llm.Member{Name: name, Value: string(lit)})
		}
	default:
		e.Extra = append(e.Extra, llm.Member{Name: name, Value: string(lit)})
	}
	return nil
}

// taskOf reads the names that servers have for what a text is.
func taskOf(name string) llm.Task {
	switch strings.ToLower(name) {
	case "query", "search_query":
		return llm.TaskQuery
	case "passage", "document", "search_document":
		return llm.TaskDocument
	case "classification":
		return llm.TaskClassification
	case "clustering":
		return llm.TaskClustering
	}
	return llm.TaskNone
}

// embedInput reads the input: a text, an array of texts, the tokens of one text, or an array of such.
func embedInput(e *llm.Embed, body []byte, at wire.Span) *llm.Error {
	if text, ok := wire.Text(at.Of(body)); ok {
		e.Inputs, e.Single = []llm.EmbedInput{{Text: text}}, true
		return nil
	}
	items, ok := wire.Elements(body, at)
	if !ok {
		return bad("input", "input is %s; it must be a text, or an array of texts or of token arrays", wire.Clip(at.Of(body), 40))
	}
	if len(items) > 0 && isNumber(items[0].Of(body)) {
		tokens, fault := tokenList("input", body, items)
		e.Inputs, e.Single = []llm.EmbedInput{{Tokens: tokens}}, true
		return fault
	}
	e.Inputs = make([]llm.EmbedInput, len(items))
	for i, item := range items {
		lit := item.Of(body)
		path := "input[" + strconv.Itoa(i) + "]"
		if text, ok := wire.Text(lit); ok {
			e.Inputs[i].Text = text
			continue
		}
		list, ok := wire.Elements(body, item)
		if !ok || len(list) == 0 {
			return bad(path, "%s is %s; it must be a text or an array of tokens", path, wire.Clip(lit, 40))
		}
		tokens, fault := tokenList(path, body, list)
		if fault != nil {
			return fault
		}
		e.Inputs[i].Tokens = tokens
	}
	return nil
}

func isNumber(lit []byte) bool { return len(lit) > 0 && (lit[0] == '-' || lit[0]-'0' <= 9) }

func tokenList(path string, body []byte, list []wire.Span) ([]int64, *llm.Error) {
	tokens := make([]int64, len(list))
	for i, at := range list {
		lit := at.Of(body)
		ok := isNumber(lit)
		if ok {
			tokens[i], ok = wire.Int(lit)
		}
		if !ok {
			p := path + "[" + strconv.Itoa(i) + "]"
			return nil, bad(p, "%s is %s; it must be a token, a whole number", p, wire.Clip(lit, 40))
		}
	}
	return tokens, nil
}

// AppendEmbed appends an embeddings request for a target.
func AppendEmbed(dst []byte, e *llm.Embed) []byte {
	dst = append(dst, `{"model":`...)
	dst = wire.AppendString(dst, e.Model)
	dst = append(dst, `,"input":`...)
	if e.Single && len(e.Inputs) == 1 {
		dst = appendEmbedInput(dst, &e.Inputs[0])
	} else {
		dst = append(dst, '[')
		for i := range e.Inputs {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendEmbedInput(dst, &e.Inputs[i])
		}
		dst = append(dst, ']')
	}
	if e.Dimensions > 0 {
		dst = append(dst, `,"dimensions":`...)
		dst = strconv.AppendInt(dst, e.Dimensions, 10)
	}
	if e.Base64 {
		dst = append(dst, `,"encoding_format":"base64"`...)
	}
	if e.User != "" {
		dst = append(dst, `,"user":`...)
		dst = wire.AppendString(dst, e.User)
	}
	for i := range e.Extra {
		dst = append(dst, ',')
		dst = wire.AppendString(dst, e.Extra[i].Name)
		dst = append(dst, ':')
		dst = append(dst, e.Extra[i].Value...)
	}
	return append(dst, '}')
}

func appendEmbedInput(dst []byte, in *llm.EmbedInput) []byte {
	if in.Tokens == nil {
		return wire.AppendString(dst, in.Text)
	}
	dst = append(dst, '[')
	for i, t := range in.Tokens {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, t, 10)
	}
	return append(dst, ']')
}

// ReadEmbedded reads an embeddings answer of a target, with vectors as numbers or in base64, whatever was asked for. The error
// is of KindBadAnswer.
func ReadEmbedded(body []byte) (*llm.Embedded, *llm.Error) {
	got, fault := ScanAnswer(llm.OpEmbedding, body)
	if fault != nil {
		return nil, fault
	}
	a := &llm.Embedded{Usage: got.Usage, HasUsage: got.HasUsage}
	if got.Model.Len() > 0 {
		a.Model, _ = wire.Text(got.Model.Of(body))
	}
	var err error
	_, _ = wire.Walk(body, func(name string, at wire.Span) bool { // it has been validated
		if name == "data" {
			a.Vectors, err = readVectors(body, at)
		}
		return true
	})
	if err == nil && a.Vectors == nil {
		return nil, llm.Errorf(llm.KindBadAnswer, "provider's answer has no data")
	}
	if err != nil {
		e := llm.Errorf(llm.KindBadAnswer, "provider's answer cannot be read: %v", err)
		e.Sent = llm.WasSent
		return nil, e
	}
	return a, nil
}

// AppendEmbedded appends an embeddings answer for a client that sent rq.
func AppendEmbedded(dst []byte, a *llm.Embedded, rq *llm.Embed) []byte {
	return AppendEmbeddings(dst, a.Model, a.Vectors, rq.Base64, a.Usage.Total())
}
