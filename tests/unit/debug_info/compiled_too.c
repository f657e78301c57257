/* Another file of the kernel that compiled.c is, with a static function of the same name. */

int leaf(int value);

static __attribute__((noinline)) int twin(int value) {
    return leaf(value) + 7;
}

__attribute__((noinline)) int calls_the_other_twin(int value) {
    return twin(value) + 1;
}
