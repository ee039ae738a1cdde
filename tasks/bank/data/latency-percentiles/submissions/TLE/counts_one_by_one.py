# Walks over the measurements one by one.
def percentiles(buckets, ranks):
    total = sum(count for _, count in buckets)
    if not total:
        return [None] * len(ranks)
    measured = sorted((value, count) for value, count in buckets if count)
    answers = []
    for rank in ranks:
        seen = 0
        for value, count in measured:
            for _ in range(count):
                seen += 1
                if seen * 1000 >= rank * total:
                    break
            else:
                continue
            answers.append(value)
            break
    return answers
