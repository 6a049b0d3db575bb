// Package bedrock is the codec of AWS Bedrock: its Converse dialect, and the binary frames
// (application/vnd.amazon.eventstream) that all of its streams come in, those of other dialects too. It opens no connections, signs
// nothing, runs no goroutines and keeps no state beyond one call.
//
// Sources: PROVIDERS.md section 4.1 (2026-11-20), aws-sdk-go-v2 service/bedrockruntime v1.63.10 and aws/protocol/eventstream.
package bedrock
