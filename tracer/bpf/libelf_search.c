/*
 * Four functions that Debian's static libelf 0.192 calls and does not contain (they are in libeu.a,
 * which is not packaged). They keep a search tree whose first member is its root; libbpf uses
 * libelf from one thread at a time, so there is no lock. Weak: a libelf that has them wins.
 */
#define _GNU_SOURCE
#include <search.h>
#include <stddef.h>

struct search_tree {
    void* root;
};

typedef int compare_function(const void*, const void*);

void eu_search_tree_init(struct search_tree* tree);
void eu_search_tree_fini(struct search_tree* tree, void (*free_node)(void*));
void* eu_tsearch(const void* key, struct search_tree* tree, compare_function* compare);
void* eu_tdelete(const void* key, struct search_tree* tree, compare_function* compare);

__attribute__((weak)) void eu_search_tree_init(struct search_tree* tree) {
    tree->root = NULL;
}

__attribute__((weak)) void eu_search_tree_fini(struct search_tree* tree, void (*free_node)(void*)) {
    tdestroy(tree->root, free_node);
    tree->root = NULL;
}

__attribute__((weak)) void* eu_tsearch(const void* key, struct search_tree* tree,
                                       compare_function* compare) {
    return tsearch(key, &tree->root, compare);
}

__attribute__((weak)) void* eu_tdelete(const void* key, struct search_tree* tree,
                                       compare_function* compare) {
    return tdelete(key, &tree->root, compare);
}
