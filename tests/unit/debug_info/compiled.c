/* What a compiler makes calls, jumps and nothing of. Built as a kernel is: optimised, with debug
 * information; linked as a vmlinux, and as a module is, relocatable. */

#define out_of_line __attribute__((noinline))
#define inlined static inline __attribute__((always_inline))

out_of_line int leaf(int value) {
    __asm__ volatile("" : "+r"(value)); /* its value is not known where it is called */
    return value;
}

inlined int middle(int value) {
    return leaf(value) + 1;
}

inlined int outer(int value) {
    return middle(value) * 3;
}

inlined int either(int value) {
    return leaf(value) + middle(value + 1);
}

inlined int ends_in_leaf(int value) {
    return leaf(value + 1);
}

out_of_line int calls_directly(int value) {
    return leaf(value) + 1;
}

out_of_line int calls_through_two(int value) {
    return outer(value) + 2;
}

out_of_line int calls_through_two_twice(int value) {
    return outer(value) + outer(value + 2);
}

out_of_line int calls_in_two_ways(int value) {
    return either(value) + 2;
}

out_of_line int calls_either_way(int value) {
    return outer(value) + leaf(value + 2);
}

out_of_line int jumps(int value) {
    return leaf(value);
}

out_of_line int jumps_through_one(int value) {
    return ends_in_leaf(value);
}

out_of_line int calls_and_jumps(int value) {
    if (value > 3) return leaf(value) + 1;
    return leaf(value);
}

out_of_line int calls_a_pointer(int (*function)(int), int value) {
    return function(value) + 1;
}

/* A name that compiled_too.c has as well. */
static out_of_line int twin(int value) {
    return outer(value) + 1;
}

out_of_line int calls_its_twin(int value) {
    return twin(value) + 1;
}

int main(int count, char** words) {
    (void)words;
    return calls_directly(count) + calls_through_two(count) + calls_through_two_twice(count) +
           calls_in_two_ways(count) + calls_either_way(count) + jumps(count) +
           jumps_through_one(count) + calls_and_jumps(count) + calls_a_pointer(leaf, count) +
           calls_its_twin(count);
}
