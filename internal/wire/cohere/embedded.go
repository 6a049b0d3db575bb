package cohere

import (
	"bytes"
	"strconv"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// ReadEmbedded reads an embeddings answer of a target. Vectors may be numbers or base64. The error is of KindBadAnswer.
func (s Shape) ReadEmbedded(body []byte) (*llm.Embedded, *llm.Error) {
	a := &llm.Embedded{}
	var fault error
	found := false
	ok, err := wire.Walk(body, func(name string, at wire.Span) bool {
		lit := at.Of(body)
		switch name {
		case "id":
			a.ID, _ = wire.Text(lit)
		case "model":
			a.Model, _ = wire.Text(lit)
		case "usage", "meta":
			readUsage(&a.Usage, &a.HasUsage, lit)
		case "data":
			found = true
			a.Vectors, fault = readData(body, at)
		case "embeddings":
			found = true
			a.Vectors, fault = readByType(body, at)
		}
		return fault == nil
	})
	switch {
	case err != nil || !ok:
		return nil, notJSON(err)
	case fault != nil:
		return nil, &llm.Error{Kind: llm.KindBadAnswer, Message: "the provider's answer cannot be read: " + fault.Error(), Sent: llm.WasSent}
	case !found:
		return nil, &llm.Error{Kind: llm.KindBadAnswer, Message: "the provider's answer has no embeddings", Sent: llm.WasSent}
	}
	return a, nil
}

func notJSON(err error) *llm.Error {
	e := &llm.Error{Kind: llm.KindBadAnswer, Message: "the provider's answer is not a JSON object", Sent: llm.WasSent}
	if err != nil {
		e.Message = "the provider's answer is not valid JSON: " + err.Error()
	}
	return e
}

// readData reads [{"index":0,"embedding":[...]}, ...], in whatever order.
func readData(body []byte, at wire.Span) ([][]float32, error) {
	items, ok := wire.Elements(body, at)
	if !ok {
		return nil, wrong("data", at.Of(body), "an array")
	}
	vectors := make([][]float32, len(items))
	for i, item := range items {
		lit := item.Of(body)
		index := int64(i)
		var v []float32
		var fault error
		_, err := wire.Walk(lit, func(name string, at wire.Span) bool {
			switch name {
			case "index":
				index, _ = wire.Int(at.Of(lit))
			case "embedding":
				v, fault = wire.ReadVector(at.Of(lit))
			}
			return fault == nil
		})
		switch {
		case fault != nil:
			return nil, fault
		case err != nil:
			return nil, err
		case v == nil || index < 0 || index >= int64(len(items)) || vectors[index] != nil:
			return nil, wrong("data["+strconv.Itoa(i)+"]", lit, "an embedding with an index of its own")
		}
		vectors[index] = v
	}
	return vectors, nil
}

// readByType reads {"float":[[...],...]} or {"base64":["...",...]} (Cohere v2), or [[...],...] (v1).
func readByType(body []byte, at wire.Span) (vectors [][]float32, err error) {
	lit := at.Of(body)
	if list, ok := wire.Elements(lit, wire.Span{End: len(lit)}); ok {
		return readVectors(lit, list)
	}
	var fault error
	ok, err := wire.Walk(lit, func(name string, at wire.Span) bool {
		if name != "float" && name != "base64" || vectors != nil {
			return true
		}
		if list, ok := wire.Elements(lit, at); ok {
			vectors, fault = readVectors(lit, list)
		}
		return fault == nil
	})
	switch {
	case fault != nil:
		return nil, fault
	case err != nil || !ok || vectors == nil:
		return nil, wrong("embeddings", lit, "float or base64 vectors")
	}
	return vectors, nil
}

func readVectors(body []byte, list []wire.Span) ([][]float32, error) {
	vectors := make([][]float32, len(list))
	for i, at := range list {
		v, err := wire.ReadVector(at.Of(body))
		if err != nil {
			return nil, err
		}
		vectors[i] = v
	}
	return vectors, nil
}

// readUsage reads {"total_tokens":n} (Voyage, Jina) or {"billed_units":{"input_tokens":n}} (Cohere). Rerank at Cohere has
// search units in place of tokens: see readUnits.
func readUsage(u *llm.Usage, has *bool, lit []byte) {
	var prompt, total int64
	_, _ = wire.Walk(lit, func(name string, at wire.Span) bool {
		n := count(at.Of(lit))
		switch name {
		case "prompt_tokens", "input_tokens":
			prompt, *has = n, true
		case "total_tokens":
			total, *has = n, true
		case "image_tokens": // of embed-v4; counted beside the text's
			u.Input += n
		case "billed_units":
			readUsage(u, has, at.Of(lit))
		}
		return true
	})
	if prompt == 0 {
		prompt = total
	}
	u.Input += prompt
}

// count reads a number of tokens; 0 if it is none.
func count(lit []byte) int64 {
	if len(lit) == 0 || lit[0] == '"' || lit[0] == '{' || lit[0] == '[' {
		return 0
	}
	if n, ok := wire.Int(bytes.TrimSpace(lit)); ok && n > 0 && n <= wire.MaxCount {
		return n
	}
	return 0
}

// AppendEmbedded appends an embeddings answer for a client. rq is what the client asked for.
func (s Shape) AppendEmbedded(dst []byte, a *llm.Embedded, rq *llm.Embed) []byte {
	if s == Cohere {
		return appendByType(dst, a, rq)
	}
	dst = append(dst, `{"object":"list","data":[`...)
	for i, v := range a.Vectors {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"object":"embedding","embedding":`...)
		dst = wire.AppendVector(dst, v, rq.Base64)
		dst = append(dst, `,"index":`...)
		dst = append(strconv.AppendInt(dst, int64(i), 10), '}')
	}
	dst = append(dst, `],"model":`...)
	dst = wire.AppendString(dst, a.Model)
	return append(appendTokens(dst, s, a.Usage.Total()), '}')
}

// appendTokens appends the usage member of Voyage and Jina.
func appendTokens(dst []byte, s Shape, total int64) []byte {
	dst = append(dst, `,"usage":{"total_tokens":`...)
	dst = strconv.AppendInt(dst, total, 10)
	if s == Jina {
		dst = append(dst, `,"prompt_tokens":`...)
		dst = strconv.AppendInt(dst, total, 10)
	}
	return append(dst, '}')
}

func appendByType(dst []byte, a *llm.Embedded, rq *llm.Embed) []byte {
	dst = append(dst, `{"id":`...)
	dst = wire.AppendString(dst, a.ID)
	form := "float"
	if rq.Base64 {
		form = "base64"
	}
	dst = append(dst, `,"embeddings":{"`+form+`":[`...)
	for i, v := range a.Vectors {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = wire.AppendVector(dst, v, rq.Base64)
	}
	dst = append(dst, `]},"texts":[`...)
	for i := range rq.Inputs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = wire.AppendString(dst, rq.Inputs[i].Text)
	}
	dst = append(dst, `],"meta":{"api_version":{"version":"2"},"billed_units":{"input_tokens":`...)
	dst = strconv.AppendInt(dst, a.Usage.Input, 10)
	return append(dst, `}},"response_type":"embeddings_by_type"}`...)
}
