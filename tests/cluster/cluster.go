//go:build tools

// Package cluster pins the API server and the etcd that the tests of this directory build; it holds no code.
package cluster

// Without these imports `go mod tidy` would drop both and their dependencies.
import (
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
)
