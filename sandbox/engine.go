//go:build tools

// Package sandbox pins the Pulumi CLI that engine.ts builds; it holds no code.
package sandbox

// Without this import `go mod tidy` would drop the CLI and its dependencies.
import _ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
